// Preloaded into every Node process of the workbench: writes down each host that is named or connected to.
const { appendFileSync } = require("node:fs");
const dns = require("node:dns");
const net = require("node:net");

const file = process.env.CMT_WATCH_FILE;
const note = (host) => appendFileSync(file, `node ${host}\n`);

const connect = net.Socket.prototype.connect;
net.Socket.prototype.connect = function (...args) {
  const [options] = Array.isArray(args[0]) ? args[0] : args;
  const host = typeof options === "object" ? options?.host : typeof args[1] === "string" ? args[1] : undefined;
  if (host !== undefined) note(host);
  return connect.apply(this, args);
};
for (const place of [dns, dns.promises]) {
  const { lookup } = place;
  place.lookup = function (host, ...rest) {
    note(host);
    return lookup.call(this, host, ...rest);
  };
}
