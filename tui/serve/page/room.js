"use strict";
// textual.js, which draws the terminal, opens one WebSocket and takes its end for the end of all.
// The one it is given here comes back after the network was cut: the dashboard goes on at the
// server meanwhile, and draws everything anew.

const FINAL = 4000; // codes from here on are final: tui/serve/visits.py says which there are
const LEFT = 4010; // ours: the page is closed, nobody will come back
const PERIOD = 5000; // milliseconds between two signs of life
const PAUSES = [250, 500, 1000, 2000, 4000];

const Socket = window.WebSocket;

function tell(text, over) {
  const notice = document.getElementById("notice");
  notice.hidden = !text;
  document.getElementById("told").textContent = text;
  document.getElementById("again").hidden = !over;
  document.body.classList.toggle("-lost", Boolean(text));
  document.body.classList.toggle("-over", Boolean(over));
  if (over) document.getElementById("again").focus();
}

class Line extends EventTarget {
  constructor(query) {
    super();
    this.url = new URL("line" + query, location.href);
    this.url.protocol = "ws:";
    this.visit = null;
    this.tries = 0;
    this.asked = 0;
    this.over = false;
    this.connect();
    setInterval(() => this.look(), PERIOD);
    window.addEventListener("online", () => this.hurry());
    window.addEventListener("pagehide", () => this.leave());
  }

  connect() {
    this.timer = null;
    this.asked = 0;
    if (this.visit) this.url.searchParams.set("visit", this.visit);
    const socket = new Socket(this.url);
    this.socket = socket;
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      tell("");
      this.tries = 0;
      this.dispatchEvent(new Event("open"));
      document.querySelector(".xterm-helper-textarea")?.focus();
    };
    socket.onmessage = (event) => this.take(event.data);
    socket.onclose = (event) => {
      if (socket === this.socket) this.closed(event);
    };
  }

  take(data) {
    if (typeof data === "string") {
      const [kind, value] = JSON.parse(data);
      if (kind === "instance_id") this.visit = value;
      if (kind === "pong") this.asked = 0;
      return; // textual.js would open addresses and files that it is told to; ours never says so
    }
    this.dispatchEvent(new MessageEvent("message", { data }));
  }

  // What is typed while the line is down is dropped: it was meant for what the screen showed then.
  send(text) {
    if (this.socket.readyState === Socket.OPEN) this.socket.send(text);
  }

  look() {
    if (this.socket.readyState !== Socket.OPEN) return;
    if (this.asked && Date.now() - this.asked >= PERIOD) {
      const silent = this.socket;
      this.closed({ code: 1006 });
      silent.close();
    } else if (!this.asked) {
      this.asked = Date.now();
      this.send(JSON.stringify(["ping", "" + this.asked]));
    }
  }

  closed(event) {
    if (this.over || this.timer) return;
    this.socket.onclose = this.socket.onmessage = this.socket.onopen = null;
    if (event.code >= FINAL || event.code === 1000) {
      this.over = true;
      tell(event.reason || "The dashboard has ended.", true);
      return;
    }
    const pause = PAUSES[Math.min(this.tries, PAUSES.length - 1)];
    this.tries += 1;
    tell("Connection lost, what is shown is old. Trying again …");
    this.timer = setTimeout(() => this.connect(), pause);
  }

  hurry() {
    if (!this.timer) return;
    clearTimeout(this.timer);
    this.connect();
  }

  leave() {
    this.over = true;
    this.socket.close(LEFT);
  }
}

// textual.js asks for an address that is "undefined" here, and the size as the query.
window.WebSocket = function (address) {
  return new Line(address.slice(address.indexOf("?")));
};

window.addEventListener("DOMContentLoaded", () => {
  document.getElementById("again").addEventListener("click", () => location.reload());
});
window.addEventListener("pageshow", (event) => {
  if (event.persisted) location.reload();
});
