"""A hub in thirty lines: every second of every device, once, those included that the broker was away for.

python examples/subscriber.py [HOST [PORT]]
"""

import json
import sys

import paho.mqtt.client as mqtt

host, port = (*sys.argv[1:], *("127.0.0.1", "1883")[len(sys.argv) - 1 :])
seen = set()  # a hub would make (boot, seq) a unique key of its table


def on_connect(client, *_):
    """Live measurements come at once or not at all; what could not come live follows on its own topic."""
    client.subscribe([(f"radarecg/v1/+/{topic}", 1) for topic in ("status", "vitals", "backfill/vitals")])


def on_message(client, userdata, message):
    """A rate is a number only where it is valid; else the quality's flags say why there is none."""
    said = json.loads(message.payload)
    if said["schema"] == "radarecg.status/1":
        print(said["device"], said["state"], said["reason"], flush=True)
    elif (key := (said["boot"], said["seq"])) not in seen:
        seen.add(key)
        rate = f"{said['hr']['value']:.0f} /min" if said["hr"]["valid"] else " ".join(said["quality"]["flags"])
        print(said["device"], said["t"], rate, "late" if "/backfill/" in message.topic else "live", flush=True)


client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id="example-hub", clean_session=False)
client.on_connect, client.on_message = on_connect, on_message
client.connect_async(host, int(port))
client.loop_forever(retry_first_connection=True)
