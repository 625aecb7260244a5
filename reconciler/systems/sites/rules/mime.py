"""Media types by extension: trueup's own table, so that a site is the same on every host, whatever its nginx knows.

From the registry of IANA and from nginx's mime.types (1.26), text types with their charset.
"""

from __future__ import annotations

from collections.abc import Mapping

DEFAULT = "application/octet-stream"

TYPES: Mapping[str, tuple[str, ...]] = {
    "text/html; charset=utf-8": ("html", "htm", "shtml"),
    "text/css; charset=utf-8": ("css",),
    "text/javascript; charset=utf-8": ("js", "mjs", "cjs"),
    "text/plain; charset=utf-8": ("txt", "log", "conf", "diff", "patch"),
    "text/markdown; charset=utf-8": ("md",),
    "text/csv; charset=utf-8": ("csv",),
    "text/calendar; charset=utf-8": ("ics",),
    "text/vcard; charset=utf-8": ("vcf",),
    "text/vtt; charset=utf-8": ("vtt",),
    "text/xml; charset=utf-8": ("xml", "xsl"),
    "application/atom+xml": ("atom",),
    "application/rss+xml": ("rss",),
    "application/xhtml+xml": ("xhtml",),
    "application/json": ("json", "map"),
    "application/feed+json": ("jsonfeed",),
    "application/ld+json": ("jsonld",),
    "application/manifest+json": ("webmanifest",),
    "application/yaml": ("yaml", "yml"),
    "application/toml": ("toml",),
    "application/wasm": ("wasm",),
    "application/pdf": ("pdf",),
    "application/rtf": ("rtf",),
    "application/epub+zip": ("epub",),
    "application/zip": ("zip",),
    "application/gzip": ("gz", "tgz"),
    "application/x-bzip2": ("bz2",),
    "application/x-xz": ("xz",),
    "application/zstd": ("zst",),
    "application/x-tar": ("tar",),
    "application/x-7z-compressed": ("7z",),
    "application/vnd.debian.binary-package": ("deb",),
    "application/x-rpm": ("rpm",),
    "application/java-archive": ("jar",),
    "application/vnd.android.package-archive": ("apk",),
    "application/pgp-signature": ("asc", "sig"),
    "image/png": ("png",),
    "image/jpeg": ("jpg", "jpeg"),
    "image/gif": ("gif",),
    "image/webp": ("webp",),
    "image/avif": ("avif",),
    "image/svg+xml": ("svg", "svgz"),
    "image/x-icon": ("ico",),
    "image/bmp": ("bmp",),
    "image/tiff": ("tif", "tiff"),
    "font/woff": ("woff",),
    "font/woff2": ("woff2",),
    "font/ttf": ("ttf",),
    "font/otf": ("otf",),
    "application/vnd.ms-fontobject": ("eot",),
    "audio/mpeg": ("mp3",),
    "audio/ogg": ("ogg", "oga", "opus"),
    "audio/flac": ("flac",),
    "audio/wav": ("wav",),
    "audio/mp4": ("m4a",),
    "video/mp4": ("mp4", "m4v"),
    "video/webm": ("webm",),
    "video/ogg": ("ogv",),
    "video/quicktime": ("mov",),
    "video/mp2t": ("ts",),
    "application/vnd.apple.mpegurl": ("m3u8",),
    "application/dash+xml": ("mpd",),
    "model/gltf-binary": ("glb",),
    "model/gltf+json": ("gltf",),
}

_BY_EXTENSION = {extension: name for name, extensions in TYPES.items() for extension in extensions}


def of(path: str) -> str:
    """The media type of a file, by the last dot of its name. nginx: an extension is lower-cased before it is looked up."""
    name = path.rsplit("/", 1)[-1]
    dot = name.rfind(".")
    return _BY_EXTENSION.get(name[dot + 1 :].lower(), DEFAULT) if dot >= 0 else DEFAULT
