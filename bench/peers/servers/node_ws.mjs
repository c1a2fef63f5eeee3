// A chat room with ws, as in its documentation's broadcast example: `send` for each client of the room.
import { createServer } from "node:http";
import { WebSocketServer } from "ws";

const rooms = new Map();
const server = createServer();
const wss = new WebSocketServer({ server });

wss.on("connection", (ws, request) => {
  if (!rooms.has(request.url)) rooms.set(request.url, new Set());
  const room = rooms.get(request.url);
  room.add(ws);
  ws.on("error", console.error);
  ws.on("close", () => room.delete(ws));
  ws.on("message", (data, isBinary) => {
    for (const client of room) if (client.readyState === ws.OPEN) client.send(data, { binary: isBinary });
  });
});

server.listen(Number(process.argv[2]), "127.0.0.1", 4096);
