// A run as it happens. Without this script the page is loaded again instead.
"use strict";

const live = document.querySelector("[data-events]");
if (live && window.EventSource) follow(live);

function follow(live) {
  const words = { running: "running", succeeded: "done", not_planned: "not planned" };
  const word = (state) => words[state] || state;
  const said = document.getElementById("said");
  const source = new EventSource(live.dataset.events);
  let due = 0;
  live.hidden = false;

  const say = (text) => {
    const line = document.createElement("p");
    line.textContent = text;
    said.append(line);
    while (said.childElementCount > 50) said.firstElementChild.remove();
    said.scrollTop = said.scrollHeight;
  };

  const mark = (step, state, text) => {
    for (const place of document.querySelectorAll("[data-step]")) {
      if (place.dataset.step !== step) continue;
      place.dataset.state = state;
      for (const part of place.querySelectorAll("[data-word]")) part.textContent = word(state);
      for (const part of place.querySelectorAll("[data-text]")) part.textContent = text;
    }
  };

  // What stands around the steps is taken from the page as it is now.
  const refresh = (parts, wait) => {
    clearTimeout(due);
    due = setTimeout(async () => {
      const answer = await fetch(location.pathname, { headers: { accept: "text/html" } });
      if (!answer.ok) return location.reload();
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      for (const name of parts) {
        const old = document.querySelector(`[data-part="${name}"]`);
        const now = page.querySelector(`[data-part="${name}"]`);
        const typing = old && old.contains(document.activeElement) && name === "ask" && now.childElementCount;
        if (old && now && !typing) old.replaceChildren(...now.childNodes);
      }
    }, wait);
  };

  source.onmessage = (message) => {
    const event = JSON.parse(message.data);
    const step = event.step || "";
    if (event.event === "step_started") {
      mark(step, "running", "");
      say(`${step} is running`);
    } else if (event.event === "step_finished") {
      mark(step, event.status, event.summary || "");
      say(`${step}: ${word(event.status)}`);
    } else if (event.event === "step_retried") {
      say(`${step} is tried again: ${event.error}`);
    } else if (event.event === "warning" || event.event === "interrupted") {
      say(event.message);
    } else if (event.event === "approval_asked") {
      say(`${step} waits for an answer`);
      refresh(["state", "ask"], 1500);
      return;
    } else if (event.event === "approval_given") {
      say(`${step}: ${event.approved ? "approved" : "not approved"} (${event.by})`);
    } else if (event.event !== "run_finished") {
      return;
    }
    refresh(["state", "ask"], 400);
  };

  source.addEventListener("over", () => {
    source.close();
    say("The run is over.");
    refresh(["state", "ask", "steps"], 200);
  });
}
