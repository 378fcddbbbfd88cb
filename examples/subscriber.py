"""Minimal hub: prints the vitals of every device once, including those backfilled after an outage.

python subscriber.py 192.168.1.20
python subscriber.py hub.example 8884 --ca ca.crt --cert ward-7.crt --key ward-7.key
python subscriber.py 192.168.1.20 8883 --ca ca.crt --user home-assistant --password-file password
"""

import argparse
import json
import secrets
import ssl
import sys
from pathlib import Path

import paho.mqtt.client as mqtt


def existing_file(text):
    """Return the path of a file given on the command line."""
    path = Path(text)
    if not path.is_file():
        raise argparse.ArgumentTypeError(f"{text}: no such file")
    return path


parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("host", nargs="?", default="127.0.0.1", help="host of the broker; default: this machine")
parser.add_argument("port", nargs="?", type=int, default=1883, help="default: %(default)s")
parser.add_argument(
    "--client-id", metavar="NAME", help="unique to this hub; the broker then keeps backfill while it is disconnected"
)
parser.add_argument("--ca", type=existing_file, metavar="FILE", help="encrypt, and trust this certificate authority")
parser.add_argument("--cert", type=existing_file, metavar="FILE", help="own certificate, if the broker requires one")
parser.add_argument("--key", type=existing_file, metavar="FILE", help="key of --cert")
parser.add_argument("--user", metavar="NAME", help="user name, for a broker with passwords")
parser.add_argument("--password-file", type=existing_file, metavar="FILE", help="its first line is the password")
args = parser.parse_args()
if (args.cert is None) != (args.key is None) or (args.cert and not args.ca):
    parser.error("--cert and --key belong together, and need --ca")
if (args.user is None) != (args.password_file is None):
    parser.error("--user and --password-file belong together")
seen = set()  # a hub would make (boot, seq) a unique key of its table


def on_connect(client, userdata, flags, reason, properties):
    """Subscribe to live messages, and to backfill: messages that could not be delivered live."""
    if reason.is_failure:
        print("the broker refused the connection:", reason, flush=True)
    else:
        client.subscribe([(f"radarecg/v1/+/{topic}", 1) for topic in ("status", "vitals", "backfill/vitals")])


def on_connect_fail(client, userdata):
    """Print why there is no connection; paho calls this where it handles the error, and then retries."""
    print("cannot connect to the broker:", sys.exc_info()[1], flush=True)


def on_message(client, userdata, message):
    """Print the heart rate if it is valid, or else the quality flags, which give the reason."""
    payload = json.loads(message.payload)
    if payload["schema"] == "radarecg.status/1":
        print(payload["device"], payload["state"], payload["reason"], flush=True)
    elif (key := (payload["boot"], payload["seq"])) not in seen:
        seen.add(key)
        flags = " ".join(payload["quality"]["flags"])
        rate = f"{payload['hr']['value']:.0f} /min" if payload["hr"]["valid"] else flags
        print(payload["device"], payload["t"], rate, "late" if "/backfill/" in message.topic else "live", flush=True)


# Two programs with the same client id would disconnect each other repeatedly.
client_id = args.client_id or f"subscriber-{secrets.token_hex(4)}"
client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id, clean_session=args.client_id is None)
client.on_connect, client.on_connect_fail, client.on_message = on_connect, on_connect_fail, on_message
if args.ca:
    try:
        tls = ssl.create_default_context(cafile=args.ca)
        if args.cert:
            tls.load_cert_chain(args.cert, args.key)
    except ssl.SSLError as error:
        parser.error(f"cannot use --ca, --cert and --key: {error}")
    client.tls_set_context(tls)
if args.user:
    client.username_pw_set(args.user, args.password_file.read_text().partition("\n")[0])
client.connect_async(args.host, args.port)
client.loop_forever(retry_first_connection=True)
