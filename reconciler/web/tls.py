"""The certificate of the page: loaded at the start, and again when it was renewed, without a connection being lost."""

from __future__ import annotations

import logging
import ssl
import threading
from dataclasses import dataclass
from pathlib import Path

from ..core.problem import Problem, Refused
from ..settings import Settings

LOG = logging.getLogger("trueup.page")
EVERY = 10.0
"""Seconds between two looks at the files: two stat(2) calls, and a certificate is renewed weeks before its end."""


@dataclass(frozen=True, kw_only=True)
class Files:
    """Certificate with its chain, and its private key, both PEM."""

    certificate: Path
    key: Path

    @classmethod
    def of(cls, settings: Settings) -> Files | None:
        """None where no certificate is set. Raises Refused (page-tls) where the two don't fit."""
        if settings.tls_certificate is None and settings.tls_key is None:
            return None
        if settings.tls_certificate is None or settings.tls_key is None:
            alone, other = ("tlsKey", "tlsCertificate") if settings.tls_key else ("tlsCertificate", "tlsKey")
            raise Refused(
                Problem(code="page-tls", message=f"{alone} is set without {other}", hint="TLS needs both files")
            )
        made = cls(certificate=settings.tls_certificate, key=settings.tls_key)
        made.into(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
        return made

    def into(self, context: ssl.SSLContext) -> None:
        """Load both. Raises Refused (page-tls), naming the file that can't be used."""
        for place in (self.certificate, self.key):
            try:
                with place.open("rb"):
                    pass
            except OSError as error:
                raise Refused(
                    Problem(
                        code="page-tls",
                        message=f"{place} can't be read: {error.strerror}",
                        hint="give the user that runs trueup a copy that it may read (certbot: a deploy hook)",
                    )
                ) from None
        try:
            # A key with a passphrase would be asked for on the terminal, and hang a service.
            context.load_cert_chain(self.certificate, self.key, password=lambda: b"")
        except (ssl.SSLError, ValueError, OSError) as error:
            why = getattr(error, "reason", None) or str(error)
            raise Refused(
                Problem(
                    code="page-tls",
                    message=f"{self.certificate} and {self.key} can't be used together: {why}",
                    hint="a PEM certificate with its chain, and the key that it was made for, without a passphrase",
                )
            ) from None

    def stamp(self) -> tuple[tuple[int, int], ...]:
        """Changes when one of the files does; what is gone counts as unchanged until it is back."""
        try:
            return tuple((at.st_mtime_ns, at.st_ino) for at in (self.certificate.stat(), self.key.stat()))
        except OSError:
            return ()


class Renewal:
    """Watches the files in a thread of its own and loads what is new into `context`, which takes it for new connections."""

    def __init__(self, files: Files, context: ssl.SSLContext, every: float = 0.0) -> None:
        self._files, self._context, self._every = files, context, every or EVERY
        self._seen = files.stamp()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="page-tls", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._end.set()
        self._thread.join(5)

    def look(self) -> None:
        """Load the files if they have changed. Two that don't fit (yet) are said once and left."""
        now = self._files.stamp()
        if not now or now == self._seen:
            return
        try:
            # First into one that nobody uses: a key that doesn't fit would leave the real one with half of each.
            self._files.into(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
            self._files.into(self._context)
        except Refused as refused:
            LOG.error("the renewed certificate is not used: %s", refused)
        else:
            LOG.warning("the certificate was renewed: %s", self._files.certificate)
        self._seen = now

    def _watch(self) -> None:
        while not self._end.wait(self._every):
            self.look()


__all__ = ["Files", "Renewal"]
