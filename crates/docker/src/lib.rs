//! The Docker Engine API: Docker's protocol translated to pods, images and builds.
