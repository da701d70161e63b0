"""A small shop: products, orders, and a worker that packs them."""

VERSION = "1.0"
