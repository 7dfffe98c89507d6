// One HTTP/2 connection in either role: dispatches frames to streams, and is the only place that turns reasons into
// RST_STREAM and GOAWAY. server.ts and client.ts wrap it; frame-reader.ts finds the frames, stream.ts holds a stream's
// two halves, sender.ts writes.
//
// Guarantees: reading never waits for anybody (credit for the connection returns as octets arrive, credit for a stream
// when they leave again); every header block passes the HPACK decoder; every forced close has one reason.
// Hot: runs per frame. Frames are numbered in RFC 9113; sections are given where a rule is not plain.

import { type BodySource, emptyBody } from "./body.ts";
import type { Holding } from "./buffered-bytes.ts";
import type { ConnectionEvents, ConnectionParams } from "./connection-params.ts";
import { Credit } from "./credit.ts";
import { deliverData, deliverResponseHead, deliverTrailers } from "./deliver.ts";
import { Ending, type EndingHost } from "./ending.ts";
import { ConnectionError, ErrorCode, StreamError } from "./error-code.ts";
import { overflows } from "./flow-control.ts";
import { type FrameListener, FrameReader } from "./frame-reader.ts";
import { loadGoaway, maxStreamId, settingsAckFrame } from "./frames.ts";
import { goodbyePing } from "./goodbye.ts";
import { type HeaderFields, noFields } from "./header-field.ts";
import { HpackDecoder } from "./hpack/decoder.ts";
import { ForcedClose, type Limits, StreamRefusal } from "./limits.ts";
import { Link, type LinkReader } from "./link.ts";
import { checkRequest, facts } from "./message-rules.ts";
import { Nuisances } from "./nuisances.ts";
import { PendingResets, resetPing } from "./pending-resets.ts";
import type { ReplyListener } from "./reply-listener.ts";
import { ResetMemory } from "./reset-memory.ts";
import type { Sender } from "./sender.ts";
import { applySettings, checkListSize, defaultPeerSettings, encodeSettings, entryBytes } from "./settings.ts";
import { Stream } from "./stream.ts";
import type { StreamHost } from "./stream-params.ts";
import { mayReceive } from "./stream-state.ts";
import { StreamTable } from "./stream-table.ts";
import { keepalivePing, Upkeep, type UpkeepHost } from "./upkeep.ts";

export class Connection implements FrameListener, StreamHost, LinkReader, EndingHost, UpkeepHost {
  readonly isServer: boolean;
  readonly sender: Sender;
  readonly holding: Holding;
  readonly credit: Credit;
  readonly streams = new StreamTable();
  readonly peer = defaultPeerSettings();
  readonly ending: Ending;
  readonly upkeep: Upkeep;
  readonly link: Link;
  readonly reader: FrameReader;
  isReady = false;
  /** The highest stream the peer has opened. */
  lastPeerId = 0;
  openedStreams = 0;
  reads = 0;
  readonly #events: ConnectionEvents;
  readonly #limits: Limits;
  readonly #decoder: HpackDecoder;
  readonly #nuisances: Nuisances;
  readonly #resets = new ResetMemory();
  readonly #pendingResets = new PendingResets();
  #dataStream: Stream | undefined = undefined;
  #nextId = 1;
  /** Requests begun by what is being read. */
  #newInRead = 0;
  #areSettingsAcknowledged = false;
  #encoderTableBytes = 4096;
  /** HEADERS and DATA frames received. */
  #messageFrames = 0;

  constructor(params: ConnectionParams) {
    const { limits, windows } = params;
    this.isServer = params.isServer;
    this.#events = params.events;
    this.#limits = limits;
    this.reader = new FrameReader(this, limits);
    this.ending = new Ending(this, params);
    this.upkeep = new Upkeep(this, params);
    this.holding = this.upkeep.holding;
    this.link = new Link({ ...params, holding: this.holding, reader: this, ends: this.ending });
    this.sender = this.link.sender;
    this.#decoder = new HpackDecoder(limits);
    this.#nuisances = new Nuisances(params.clock, limits);
    this.sender.frame(
      encodeSettings({
        isServer: this.isServer,
        maxConcurrentStreams: limits.maxConcurrentStreams,
        initialWindowBytes: windows.streamBytes,
        maxHeaderListBytes: limits.maxHeaderListBytes,
      }),
    );
    this.credit = new Credit(params, this.sender, this.holding);
  }

  // --- Requests of ours ---

  /** Streams that may be opened now. */
  get available(): number {
    if (this.ending.isDraining || this.ending.isClosing || this.#nextId > maxStreamId) return 0;
    return Math.max(0, this.peer.maxConcurrentStreams - this.streams.size - this.#pendingResets.count);
  }

  open(fields: HeaderFields, body: BodySource | undefined, listener: ReplyListener): Stream {
    if (this.available === 0) {
      throw new StreamError(ErrorCode.REFUSED_STREAM, "us", "connection takes no more streams", true);
    }
    checkListSize(fields, this.peer);
    const endsWithHead = body === undefined || body === emptyBody;
    const stream = new Stream({
      id: this.#nextId,
      host: this,
      sendWindow: this.peer.initialWindowBytes,
      receiveWindow: this.credit.initialBytes,
      fields: noFields,
      endsWithHead,
      listener,
    });
    this.#nextId += 2;
    stream.isHeadRequest = fields[0]?.value === "HEAD" || fields[1]?.value === "HEAD";
    stream.headAt = this.link.output.committedBytes;
    this.streams.add(stream);
    this.sender.headers(stream.id, fields, endsWithHead);
    if (!endsWithHead) stream.sendRequestBody(body);
    this.#opened(stream.id);
    return stream;
  }

  #opened(id: number): void {
    this.openedStreams++;
    if (id >>> 1 < this.#limits.maxStreamsPerConnection) return;
    this.ending.retire(ForcedClose.MAX_STREAMS, `stream identifiers run out at ${id}`);
  }

  // --- StreamHost ---

  resetStream(stream: Stream, code: ErrorCode): void {
    if (this.ending.isClosing) {
      this.streams.delete(stream.id);
      return;
    }
    this.#rst(stream.id, code);
    if (!this.isServer && code !== ErrorCode.NO_ERROR) {
      if (this.#pendingResets.add(this.#nextId)) this.sender.ping(false, resetPing, 0);
      this.ending.countCancel();
    }
    this.forgetStream(stream);
  }

  forgetStream(stream: Stream): void {
    if (!this.streams.delete(stream.id)) return;
    if (this.streams.size === 0 && this.ending.isDraining) this.link.mark();
    if (!this.isServer) this.#events.slotFree();
  }

  #rst(id: number, code: ErrorCode): void {
    this.#resets.add(id);
    this.sender.rstStream(id, code);
    this.link.countControl();
  }

  // --- Input ---

  received(chunk: Buffer, from: number): number {
    this.reads++;
    this.#newInRead = 0;
    const stop = this.reader.read(chunk, from);
    if (this.reader.isInsideUnit) this.upkeep.wake();
    return stop;
  }

  dataBegins(id: number, flowBytes: number, paddingBytes: number): void {
    this.#messageFrames++;
    this.#pendingResets.heard(id);
    this.credit.dataCame(id, flowBytes);
    const stream = this.streams.get(id);
    this.#dataStream = undefined;
    if (stream === undefined) {
      this.#lateFrame(id, "DATA");
    } else if (!mayReceive(stream.state)) {
      throw new ConnectionError(ErrorCode.STREAM_CLOSED, `stream ${id}: DATA after END_STREAM`);
    } else if (!stream.hasHead) {
      this.#streamError(stream, ErrorCode.PROTOCOL_ERROR, "DATA before the response's header");
    } else if (!stream.receiveWindow.receive(flowBytes)) {
      this.#streamError(stream, ErrorCode.FLOW_CONTROL_ERROR, "DATA beyond the stream's window");
    } else {
      if (paddingBytes > 0) stream.grant(paddingBytes);
      this.#dataStream = stream;
    }
  }

  data(_id: number, input: Buffer, start: number, stop: number, end: boolean): void {
    const stream = this.#dataStream;
    if (start === stop && !end) this.#nuisances.glitch("empty DATA");
    if (stream === undefined || !mayReceive(stream.state)) return;
    const wrong = deliverData(stream, input, start, stop, end);
    if (wrong !== undefined) this.#streamError(stream, ErrorCode.PROTOCOL_ERROR, wrong);
  }

  headers(id: number, input: Buffer, start: number, stop: number, end: boolean): void {
    this.#messageFrames++;
    this.#pendingResets.heard(id);
    const fields = this.#decoder.decode(input, start, stop);
    const stream = this.streams.get(id);
    if (stream === undefined) {
      if (this.isServer && id > this.lastPeerId && id % 2 === 1) this.#newRequest(id, fields, end);
      else this.#lateFrame(id, "HEADERS");
    } else if (!mayReceive(stream.state)) {
      throw new ConnectionError(ErrorCode.STREAM_CLOSED, `stream ${id}: HEADERS after END_STREAM`);
    } else if (this.#decoder.exceeded !== "") {
      this.#streamError(stream, ErrorCode.ENHANCE_YOUR_CALM, `too many ${this.#decoder.exceeded}`);
    } else {
      const deliver = stream.hasHead ? deliverTrailers : deliverResponseHead;
      const wrong = deliver(stream, fields, end);
      if (wrong !== undefined) this.#streamError(stream, ErrorCode.PROTOCOL_ERROR, wrong);
      else if (!stream.hasHead) this.#nuisances.glitch("informational response");
    }
  }

  #refuse(id: number, reason: string): void {
    this.#events.refused(reason);
    this.#rst(id, ErrorCode.REFUSED_STREAM);
  }

  #newRequest(id: number, fields: HeaderFields, end: boolean): void {
    this.lastPeerId = id;
    this.#opened(id);
    if (++this.#newInRead >= this.#limits.maxNewStreamsPerRead) this.reader.stop();
    if (id > this.ending.lastAccepted || this.ending.isClosing) return;
    if (this.streams.size >= this.#limits.maxConcurrentStreams) {
      if (this.#areSettingsAcknowledged) this.#nuisances.glitch("stream above MAX_CONCURRENT_STREAMS");
      this.#refuse(id, StreamRefusal.CONCURRENT_STREAMS);
      return;
    }
    if (this.holding.isFull) {
      this.#refuse(id, StreamRefusal.BUFFERED_BYTES);
      return;
    }
    const isTooLarge = this.#decoder.exceeded !== "";
    const malformed = isTooLarge ? undefined : checkRequest(fields);
    const contentLength = isTooLarge ? -1 : facts.contentLength;
    if (malformed !== undefined || (end && contentLength > 0)) {
      this.#nuisances.ownReset(malformed ?? "content-length without content");
      this.#rst(id, ErrorCode.PROTOCOL_ERROR);
      return;
    }
    const stream = new Stream({
      id,
      host: this,
      sendWindow: this.peer.initialWindowBytes,
      receiveWindow: this.credit.initialBytes,
      fields,
      endsWithHead: end,
      listener: undefined,
    });
    stream.expectedBytes = contentLength;
    this.streams.add(stream);
    if (isTooLarge) {
      this.#events.refused(StreamRefusal.HEADER_LIST);
      this.#events.tooLarge(stream);
    } else {
      this.#events.request(stream);
    }
  }

  rstStream(id: number, code: number): void {
    const stream = this.streams.get(id);
    if (stream === undefined) {
      this.#checkNotIdle(id, "RST_STREAM");
      this.#nuisances.lateReset(this.openedStreams);
      return;
    }
    if (this.isServer) this.#nuisances.clientReset(this.openedStreams);
    this.streams.delete(id);
    const isRefused = !this.isServer && code === ErrorCode.REFUSED_STREAM && !stream.hasHead;
    if (!this.isServer) this.#events.slotFree(isRefused); // first: `die` may send again at once
    stream.die(new StreamError(code, "peer", `stream ${id}: reset by the peer with code ${code}`, isRefused));
    if (this.streams.size === 0 && this.ending.isDraining) this.link.mark();
  }

  settings(input: Buffer, start: number, stop: number): void {
    if ((stop - start) / entryBytes > this.#limits.maxSettingsEntries) {
      throw new ConnectionError(ErrorCode.ENHANCE_YOUR_CALM, "too many settings", ForcedClose.SETTINGS_FLOOD);
    }
    this.#nuisances.settings();
    const windowBefore = this.peer.initialWindowBytes;
    applySettings(this.peer, input, start, stop, !this.isServer);
    if (this.peer.headerTableBytes < this.#encoderTableBytes) {
      this.#encoderTableBytes = 0;
      this.sender.owesSizeUpdate = true;
    }
    const delta = this.peer.initialWindowBytes - windowBefore;
    if (delta !== 0) {
      for (const stream of this.streams.list()) {
        if (overflows(stream.sendWindow, delta)) {
          throw new ConnectionError(ErrorCode.FLOW_CONTROL_ERROR, "settings: INITIAL_WINDOW_SIZE overflows a window");
        }
        stream.moveSendWindow(delta);
      }
    }
    this.sender.frame(settingsAckFrame);
    this.link.countControl();
    if (!this.isReady) {
      this.isReady = true;
      this.#events.ready();
    }
    if (!this.isServer) this.#events.slotFree();
  }

  settingsAck(): void {
    if (this.#areSettingsAcknowledged) {
      this.#nuisances.glitch("SETTINGS ACK that nobody asked for");
      return;
    }
    this.#areSettingsAcknowledged = true;
    this.upkeep.handshakeDone();
    this.credit.acknowledged(this.streams);
  }

  ping(input: Buffer, start: number, ack: boolean): void {
    if (ack) {
      this.#pong(input, start);
      return;
    }
    this.#nuisances.ping(this.#messageFrames + this.sender.messageFrames);
    this.sender.ping(true, input, start);
    this.link.countControl();
  }

  #pong(input: Buffer, start: number): void {
    const answers = (ping: Buffer) => input.compare(ping, 0, 8, start, start + 8) === 0;
    if (answers(goodbyePing)) {
      this.ending.goodbyeAnswered();
    } else if (answers(resetPing)) {
      this.#pendingResets.confirm();
      if (!this.isServer) this.#events.slotFree();
    } else if (!answers(keepalivePing)) {
      this.#nuisances.glitch("PING ACK that nobody asked for");
    }
  }

  goaway(input: Buffer, start: number, stop: number): void {
    if (this.isServer) return;
    const { lastStreamId, code, debug } = loadGoaway(input, start, stop);
    this.ending.goawayCame();
    const detail = `above GOAWAY's last stream ${lastStreamId} (code ${code}${debug === "" ? "" : `, ${debug}`})`;
    for (const stream of this.streams.list()) {
      if (stream.id <= lastStreamId) continue;
      this.streams.delete(stream.id);
      this.#resets.add(stream.id);
      stream.die(new StreamError(ErrorCode.REFUSED_STREAM, "peer", `stream ${stream.id}: ${detail}`, true));
    }
  }

  windowUpdate(id: number, increment: number): void {
    if (increment === 0) throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, `stream ${id}: WINDOW_UPDATE of 0`);
    const stream = id === 0 ? undefined : this.streams.get(id);
    const isWaiting = id === 0 ? this.sender.hasReady : stream?.isWaiting === true;
    this.#nuisances.windowUpdate(increment, isWaiting, this.sender.messageFrames, this.openedStreams);
    if (id === 0) {
      if (this.sender.grantConnection(increment)) return;
      throw new ConnectionError(ErrorCode.FLOW_CONTROL_ERROR, "WINDOW_UPDATE overflows the connection's window");
    }
    if (stream === undefined) {
      this.#checkNotIdle(id, "WINDOW_UPDATE");
    } else if (overflows(stream.sendWindow, increment)) {
      // Nobody does so by mistake, and the work for the stream goes on elsewhere: the connection goes too
      // (CVE-2025-8671).
      this.resetStream(stream, ErrorCode.FLOW_CONTROL_ERROR);
      const text = `stream ${id}: WINDOW_UPDATE overflows its window`;
      stream.die(new StreamError(ErrorCode.FLOW_CONTROL_ERROR, "us", text));
      throw new ConnectionError(ErrorCode.FLOW_CONTROL_ERROR, text);
    } else {
      stream.moveSendWindow(increment);
    }
  }

  ignored(_id: number): void {
    this.#nuisances.glitch("PRIORITY or unknown frame");
  }

  // --- Broken rules ---

  /** A frame for a stream that is not there (RFC 9113 section 5.1): idle, reset by us, or closed. */
  #lateFrame(id: number, what: string): void {
    this.#checkNotIdle(id, what);
    if (id > this.ending.lastAccepted || this.#resets.has(id)) return;
    if (!this.#resets.hasForgotten) {
      throw new ConnectionError(ErrorCode.STREAM_CLOSED, `stream ${id}: ${what} on it closed`);
    }
    this.#nuisances.glitch("frame for a closed stream");
  }

  #checkNotIdle(id: number, what: string): void {
    const isIdle = id % 2 === 0 || (this.isServer ? id > this.lastPeerId : id >= this.#nextId);
    if (isIdle) throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, `stream ${id}: ${what} on an idle stream`);
  }

  #streamError(stream: Stream, code: ErrorCode, detail: string): void {
    this.#nuisances.ownReset(detail);
    this.resetStream(stream, code);
    stream.die(new StreamError(code, "us", `stream ${stream.id}: ${detail}`));
  }
}
