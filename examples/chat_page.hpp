// The page of the chat room.
#pragma once

inline constexpr const char* chat_page = R"page(<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Chat</title>
<style>
  body { font: 16px/1.5 system-ui, sans-serif; max-width: 40rem; margin: 2rem auto; padding: 0 1rem; }
  #log { min-height: 12rem; max-height: 60vh; overflow-y: auto; border: 1px solid #8888; padding: .5rem; }
  #log p { margin: 0; overflow-wrap: anywhere; }
  #log p.news { color: #777; }
  form { display: flex; gap: .5rem; margin-top: .5rem; }
  form[hidden] { display: none; }
  input { flex: 1; font: inherit; }
  button { font: inherit; }
</style>
</head>
<body>
<h1>Chat</h1>
<p id="state" role="status">not connected</p>
<div id="log" aria-live="polite"></div>
<form id="enter"><input id="name" placeholder="Your name" maxlength="40" required autofocus><button>Enter</button></form>
<form id="say" hidden><input id="text" placeholder="Say something" maxlength="2000" required><button>Send</button></form>
<script>
const element = id => document.getElementById(id);
let socket = null;

function show(text) {
  const line = document.createElement("p");
  line.textContent = text;
  if (text.startsWith("* ")) line.className = "news";
  element("log").append(line);
  line.scrollIntoView({block: "nearest"});
}

function connect(name) {
  const scheme = location.protocol === "https:" ? "wss://" : "ws://";
  socket = new WebSocket(scheme + location.host + "/chat?name=" + encodeURIComponent(name));
  socket.onopen = () => {
    element("state").textContent = "connected as " + name;
    element("enter").hidden = true;
    element("say").hidden = false;
    element("text").focus();
  };
  socket.onmessage = event => show(event.data);
  socket.onclose = event => {
    element("state").textContent = "not connected (" + event.code + ")";
    element("enter").hidden = false;
    element("say").hidden = true;
  };
}

element("enter").onsubmit = event => {
  event.preventDefault();
  connect(element("name").value.trim());
};
element("say").onsubmit = event => {
  event.preventDefault();
  socket.send(element("text").value);
  element("text").value = "";
};
</script>
</body>
</html>
)page";
