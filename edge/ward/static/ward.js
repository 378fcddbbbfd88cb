// The ward's page: loads the snapshot at each connection, then follows the updates of /events.

import "./shapes.js";
import { Arrangement } from "./arrange.js";
import { connect } from "./connection.js";
import { Details } from "./details.js";
import { Notices } from "./notices.js";
import { nameOf } from "./states.js";
import { setText } from "./text.js";
import { setUpKeys, Tile } from "./tiles.js";
import { asSecond } from "./times.js";

const byId = (id) => document.getElementById(id);

const tiles = new Map(); // by device
const grid = byId("tiles");
const arrangement = new Arrangement(grid, tiles);
const details = new Details(send);
const notices = new Notices((device) => (tiles.has(device) ? nameOf(tiles.get(device).data) : device), (id) => send(`notices/${id}/acknowledge`, null));
let bins = 0; // of a sparkline
let isAdmin = false;
let number = null; // of the last update; null while the snapshot is awaited
let pending = []; // updates that came before the snapshot
let loading = 0; // number of the latest request for a snapshot
let isLost = false; // whether the connection broke after the last snapshot

async function load() {
  const request = ++loading;
  [number, pending, isLost] = [null, [], false];
  const answer = await fetch("tiles").catch(() => null);
  if (request !== loading) return; // a later connection loads its own
  if (!answer?.ok) return setTimeout(() => request === loading && load(), 1000);
  const snapshot = await answer.json();
  if (request !== loading) return;
  isAdmin = snapshot.is_admin;
  document.querySelector('[data-filter="hidden"]').hidden = !isAdmin;
  for (const message of snapshot.tiles) {
    const tile = tileOf(message.device);
    tile.update(message, snapshot.number);
    tile.sparkline.load(snapshot.sparklines[message.device], snapshot.bin);
    tile.drawSparkline();
  }
  number = snapshot.number;
  notices.show(snapshot.notices, isAdmin);
  showState(snapshot);
  arrangement.apply(true);
  const missed = pending.filter((update) => update.number > number);
  pending = [];
  missed.forEach(follow);
}

function tileOf(device) {
  if (!tiles.has(device)) {
    const tile = new Tile(device, bins);
    tile.button.addEventListener("click", () => details.open(tile, isAdmin));
    tiles.set(device, tile);
    grid.append(tile.item);
  }
  return tiles.get(device);
}

function follow(update) {
  if (!isLost && number === null) return pending.push(update);
  if (isLost || update.number !== number + 1) return load(); // updates were lost
  number = update.number;
  for (const message of update.tiles) tileOf(message.device).update(message, update.number);
  for (const [device, tile] of tiles) {
    if (tile.sparkline.follow(update.bins[device] ?? [], update.bin)) {
      tile.drawSparkline();
      if (details.tile === tile) details.drawSparkline();
    }
  }
  if (update.notices) notices.show(update.notices, isAdmin);
  if (details.tile) details.show();
  showState(update);
  arrangement.apply();
}

function showState({ t_ms, broker_lost_ms }) {
  setText(byId("clock"), asSecond(t_ms / 1000));
  const hasBroker = broker_lost_ms === null;
  document.body.dataset.link = hasBroker ? "live" : "lost";
  setText(byId("link"), hasBroker ? "Live" : "Not live");
  byId("lost").hidden = hasBroker;
  if (!hasBroker) setText(byId("lost"), `The hub has had no connection to its broker since ${asSecond(broker_lost_ms / 1000)}: nothing is known about the devices.`);
}

function receive(message) {
  if (message.event === "hello") {
    bins = message.bins;
    setText(byId("device"), message.device);
    load();
  } else if (message.event === "update" && bins) follow(message);
}

function lose(hint) {
  if (isLost) return;
  isLost = true;
  loading += 1; // the answer to an earlier request may be old
  document.body.dataset.link = "lost";
  setText(byId("link"), "Not live");
  byId("lost").hidden = false;
  setText(byId("lost"), `Connection to the hub lost. Nothing below is live; reconnecting.${hint}`);
  for (const tile of tiles.values()) tile.disconnect();
  if (details.tile) details.show();
}

// Posts a change; returns its problem, "" if there is none. The change itself comes back with the next update.
async function send(path, content) {
  const options = { method: "POST", body: content && JSON.stringify(content), headers: { "Content-Type": "application/json" } };
  const answer = await fetch(path, options).catch(() => null);
  if (answer?.ok) return "";
  return answer ? (await answer.text()).trim() : "The hub does not answer.";
}

setUpKeys(grid);
connect(receive, lose);
