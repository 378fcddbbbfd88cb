"""Signs a bundle, so that a device can verify who made it.

openssl genpkey -algorithm ed25519 -out maker.key     # once; keep it secret
openssl pkey -in maker.key -pubout -out maker.pem     # for the devices: public_key = "maker.pem" under [network]
python -m export.sign compact --key maker.key
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from edge.core.errors import InputError
from edge.core.files import write_atomic
from edge.core.interrupts import raise_on_interrupt
from edge.inference import bundle
from edge.inference.signature import SIGNATURE, load_key


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m export.sign", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("bundle", type=Path, help="folder of the bundle")
    parser.add_argument("--key", type=Path, required=True, metavar="PEM", help="private ed25519 key")
    args = parser.parse_args(arguments)
    try:
        signed = load_key(args.key, "private").sign(bundle.load_bundle(args.bundle).description)
        write_atomic(args.bundle / SIGNATURE, signed)
    except (InputError, OSError) as error:
        print(f"export.sign: error: {error}", file=sys.stderr)
        return 2
    print(f"{args.bundle / SIGNATURE}: signed; sign the bundle again after each export")
    return 0


if __name__ == "__main__":
    raise_on_interrupt()
    sys.exit(main())
