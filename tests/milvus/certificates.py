"""Certificates for tests of TLS, valid as long as the test."""

from __future__ import annotations

from pathlib import Path

import trustme


class Certificates:
    """A server's and a client's certificates, and the authority of another world, as files in a folder."""

    server_name = "milvus.example"

    def __init__(self, folder: Path) -> None:
        ours, theirs = trustme.CA(), trustme.CA()
        server, client = ours.issue_cert(self.server_name), ours.issue_cert("segue.example")
        self.ca = _write(folder / "ca.pem", ours.cert_pem.bytes())
        self.other_ca = _write(folder / "other.pem", theirs.cert_pem.bytes())
        self.server_cert = _write(folder / "server.pem", server.cert_chain_pems[0].bytes())
        self.server_key = _write(folder / "server.key", server.private_key_pem.bytes())
        self.client_cert = _write(folder / "client.pem", client.cert_chain_pems[0].bytes())
        self.client_key = _write(folder / "client.key", client.private_key_pem.bytes())


def _write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path
