"""Minimal hub: prints the vitals of every device once, including those backfilled after an outage."""

import argparse
import json
import secrets

import paho.mqtt.client as mqtt

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("host", nargs="?", default="127.0.0.1", help="host of the broker; default: this machine")
parser.add_argument("port", nargs="?", type=int, default=1883)
parser.add_argument(
    "--client-id", metavar="NAME", help="unique to this hub; the broker then keeps backfill while it is disconnected"
)
args = parser.parse_args()
seen = set()  # a hub would make (boot, seq) a unique key of its table


def on_connect(client, userdata, flags, reason, properties):
    """Subscribe to live messages, and to backfill: messages that could not be delivered live."""
    if reason.is_failure:
        print("the broker refused the connection:", reason, flush=True)
    else:
        client.subscribe([(f"radarecg/v1/+/{topic}", 1) for topic in ("status", "vitals", "backfill/vitals")])


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
client.on_connect, client.on_message = on_connect, on_message
client.connect_async(args.host, args.port)
client.loop_forever(retry_first_connection=True)
