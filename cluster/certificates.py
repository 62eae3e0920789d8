"""A certificate for one night: its processes show it to each other, and trust no other."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from cluster.spec import Certificates

_EARLIER = timedelta(hours=1)  # clocks of machines differ
_VALID = timedelta(days=30)  # longer than any night


def make_certificates() -> Certificates:
    """One for all, which is its own authority; PEM, as text. Nobody looks at the names in it."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "hexcast")])
    made = (
        x509.CertificateBuilder(issuer_name=name, subject_name=name, public_key=key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _EARLIER)
        .not_valid_after(now + _VALID)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    text = made.public_bytes(serialization.Encoding.PEM).decode()
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return Certificates(ca=text, cert=text, key=private.decode())
