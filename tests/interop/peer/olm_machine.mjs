// Runs an OlmMachine of the Matrix Rust SDK: reads one JSON request a line, `[operation, arguments]`, and answers with
// `{"result": ...}` or `{"error": text}`.
import readline from "node:readline";
import {
  CollectStrategy, DecryptionSettings, DeviceId, DeviceLists, EncryptionSettings, OlmMachine, RequestType, RoomId,
  TrustRequirement, UserId, VerificationMethod, initAsync,
} from "@matrix-org/matrix-sdk-crypto-wasm";

await initAsync();
let machine, verification, sas;

const users = (names) => names.map((name) => new UserId(name));
const described = (request) => ({
  id: request.id,
  kind: RequestType[request.type],
  body: request.body ? JSON.parse(request.body) : null,
  event_type: request.event_type,
});

const operations = {
  async begin(user, device) {
    machine = await OlmMachine.initialize(new UserId(user), new DeviceId(device));
    // Told that the server has no unused fallback key, it makes one.
    await machine.receiveSyncChanges("[]", new DeviceLists(), new Map(), new Set());
    return { ed25519: machine.identityKeys.ed25519.toBase64(), curve25519: machine.identityKeys.curve25519.toBase64() };
  },
  async outgoing() {
    return (await machine.outgoingRequests()).map(described);
  },
  async mark_sent(id, kind, response) {
    await machine.markRequestAsSent(id, RequestType[kind], JSON.stringify(response));
  },
  async make_cross_signing_keys() {
    const made = await machine.bootstrapCrossSigning(true);
    return {
      keys: JSON.parse(made.uploadSigningKeysRequest.body),
      signatures: JSON.parse(made.uploadSignaturesRequest.body),
    };
  },
  async query(names) {
    await machine.updateTrackedUsers(users(names));
    return machine.queryKeysForUsers(users(names)).id;
  },
  async claims(names) {
    const request = await machine.getMissingSessions(users(names));
    return request ? { id: request.id, body: JSON.parse(request.body) } : null;
  },
  async share(room, names) {
    const settings = new EncryptionSettings();
    settings.sharingStrategy = CollectStrategy.identityBasedStrategy();
    settings.rotationPeriodMessages = 100000n;
    const requests = await machine.shareRoomKey(new RoomId(room), users(names), settings);
    for (const request of requests) await machine.markRequestAsSent(request.id, RequestType.ToDevice, "{}");
    return requests.map(described);
  },
  async encrypt(room, kind, contents) {
    const events = [];
    for (const content of contents)
      events.push(JSON.parse(await machine.encryptRoomEvent(new RoomId(room), kind, JSON.stringify(content))));
    return events;
  },
  async receive(events) {
    const received = await machine.receiveSyncChanges(JSON.stringify(events), new DeviceLists(), new Map());
    return received.map((event) => JSON.parse(event.rawEvent));
  },
  async decrypt(room, events, trust) {
    const settings = new DecryptionSettings(TrustRequirement[trust]);
    const opened = [];
    for (const event of events) {
      const found = await machine.decryptRoomEvent(JSON.stringify(event), new RoomId(room), settings);
      opened.push({
        event: JSON.parse(found.event), sender: found.sender.toString(), device: found.senderDevice?.toString(),
      });
    }
    return opened;
  },
  async device(user, device) {
    const found = await machine.getDevice(new UserId(user), new DeviceId(device));
    return found && { signed_by_owner: found.isCrossSignedByOwner(), verified: found.isVerified() };
  },
  async begin_verification(user, device) {
    const found = await machine.getDevice(new UserId(user), new DeviceId(device));
    const [started, request] = found.requestVerification([VerificationMethod.SasV1]);
    verification = started;
    return JSON.parse(request.body);
  },
  async begin_sas() {
    const [started, request] = await verification.startSas();
    sas = started;
    return JSON.parse(request.body);
  },
  shown() {
    return {
      emoji: sas.emojiIndex() ? [...sas.emojiIndex()] : null,
      names: sas.emoji()?.map((each) => each.description) ?? null,
      symbols: sas.emoji()?.map((each) => each.symbol) ?? null,
      numbers: sas.decimals() ? [...sas.decimals()] : null,
      done: sas.isDone(),
    };
  },
  async confirm() {
    return (await sas.confirm()).filter(Boolean).map(described);
  },
  async import_sessions(sessions) {
    const done = await machine.importExportedRoomKeys(JSON.stringify(sessions), () => {});
    return Number(done.importedCount);
  },
  async export_sessions() {
    return JSON.parse(await machine.exportRoomKeys(() => true));
  },
};

for await (const line of readline.createInterface({ input: process.stdin })) {
  const [name, values] = JSON.parse(line);
  let answer;
  try {
    answer = { result: (await operations[name](...values)) ?? null };
  } catch (problem) {
    answer = { error: String(problem?.message ?? problem) };
  }
  process.stdout.write(JSON.stringify(answer) + "\n");
}
