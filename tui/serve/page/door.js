"use strict";
// The token is behind the #, which no server and no other page is sent. It is taken out of the
// address bar first of all, then exchanged for a cookie.

async function enter() {
  const token = location.hash.slice(1);
  if (!token) return;
  history.replaceState(null, "", "/");
  const told = document.getElementById("told");
  told.textContent = "Opening …";
  try {
    const answer = await fetch("/enter", { method: "POST", body: token });
    if (answer.ok) {
      location.replace((await answer.json()).room);
    } else if (answer.status === 429) {
      told.textContent = "Too many attempts. Wait a moment, then open the link again.";
    } else {
      told.textContent = "This link has been used, or is not the right one. flux top --serve prints a new one whenever one is used.";
    }
  } catch {
    told.textContent = "flux top --serve does not answer.";
  }
}

window.addEventListener("hashchange", enter);
enter();
