"""Signs a bundle, so that a device can verify who made it.

openssl genpkey -algorithm ed25519 -out maker.key     # once; keep it secret
openssl pkey -in maker.key -pubout -out maker.pem     # for the devices: public_key = "maker.pem" under [network]
python -m export.sign compact --key maker.key --version 2   # higher than that of every bundle signed before
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import msgspec

from edge.cli.arguments import count
from edge.core.errors import InputError
from edge.core.files import write_atomic
from edge.core.interrupts import raise_on_interrupt
from edge.inference import bundle
from edge.inference.bundle import encode_description
from edge.inference.signature import SIGNATURE, load_private_key


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m export.sign", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("bundle", type=Path, help="folder of the bundle")
    parser.add_argument("--key", type=Path, required=True, metavar="PEM", help="private ed25519 key")
    parser.add_argument(
        "--version", type=count, help="version to write into bundle.json; devices refuse to go back (default: keep it)"
    )
    args = parser.parse_args(arguments)
    try:
        key, found = load_private_key(args.key), bundle.load_bundle(args.bundle)
        description = found.description
        if args.version is not None:
            description = encode_description(msgspec.structs.replace(found.about, version=args.version))
            write_atomic(args.bundle / bundle.DESCRIPTION, description)
        write_atomic(args.bundle / SIGNATURE, key.sign(description))
    except (InputError, OSError) as error:
        print(f"export.sign: error: {error}", file=sys.stderr)
        return 2
    print(f"{args.bundle / SIGNATURE}: signed; sign the bundle again after each export")
    return 0


if __name__ == "__main__":
    raise_on_interrupt()
    sys.exit(main())
