"""Pulp's settings: what is the same wherever it runs. The rest comes as PULP_… variables.

The signing key of registry tokens is derived from SECRET_KEY, so that all copies have the same
one and there is one secret less to keep.
"""

import os
from pathlib import Path

ANALYTICS = False

# Part of the image: the same for all copies, replaced with it.
STATIC_ROOT = "/opt/pulp/assets"

# Both lie on the shared disk; whoever comes first makes them, also after somebody removed one.
for _folder in ("/var/lib/pulp/media", "/var/lib/pulp/tmp"):
    os.makedirs(_folder, exist_ok=True)

TOKEN_AUTH_DISABLED = False
TOKEN_SERVER = os.environ["PULP_CONTENT_ORIGIN"] + "/token/"
TOKEN_SIGNATURE_ALGORITHM = "ES256"
_keys = Path("/tmp/token-keys")
PRIVATE_KEY_PATH = str(_keys / "private.pem")
PUBLIC_KEY_PATH = str(_keys / "public.pem")


def _write_token_keys(secret):
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    curve = ec.SECP256R1()
    # 48 bytes reduced to the order leave no bias worth the name (FIPS 186-5, A.2.1).
    seed = HKDF(hashes.SHA256(), length=48, salt=None, info=b"pulp token key").derive(secret.encode())
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    private = ec.derive_private_key(int.from_bytes(seed, "big") % (order - 1) + 1, curve)
    pem = serialization.Encoding.PEM
    files = {
        PRIVATE_KEY_PATH: private.private_bytes(
            pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ),
        PUBLIC_KEY_PATH: private.public_key().public_bytes(
            pem, serialization.PublicFormat.SubjectPublicKeyInfo
        ),
    }
    _keys.mkdir(mode=0o700, exist_ok=True)
    for path, content in files.items():
        # Several processes start at once: each writes its own file and moves it into place.
        staged = f"{path}.{os.getpid()}"
        with open(os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(content)
        os.replace(staged, path)


_write_token_keys(os.environ["PULP_SECRET_KEY"])
