// A sync server inside a Node program: node:http takes the requests, tcsync answers them, and koffi calls it.
//
// What takes long ends as an event of a queue of tcsync's, so that the event loop never waits. Node cannot poll the
// queue's descriptor without reading from it; one thread of libuv's pool waits for the events instead.
// Build: npm install --prefix DIR koffi
// Run: NODE_PATH=DIR/node_modules TCSYNC_LIBRARY=PATH_OF_LIBTCSYNC node server.js DATA_DIR PORT
// Port 0 is any free one. Other options come from the environment (docs/options.md).
'use strict';
const http = require('node:http');
const { Readable } = require('node:stream');
const { pipeline } = require('node:stream/promises');
const { promisify } = require('node:util');
const koffi = require('koffi');

const library = koffi.load(process.env.TCSYNC_LIBRARY || 'libtcsync.so.0');
const declare = (text) => library.func(text);

koffi.struct('tcsync_header', {
  name: 'const uint8_t *', name_size: 'size_t', value: 'const uint8_t *', value_size: 'size_t',
});
koffi.struct('tcsync_request', {
  struct_size: 'size_t', method: 'const uint8_t *', method_size: 'size_t', target: 'const uint8_t *',
  target_size: 'size_t', headers: 'const tcsync_header *', header_count: 'size_t', body: 'const uint8_t *',
  body_size: 'size_t', peer_address: 'const uint8_t *', peer_address_size: 'size_t',
});
// A pointer of the host's own is a number here.
koffi.struct('tcsync_event', {
  struct_size: 'size_t', kind: 'int32_t', level: 'int32_t', user_data: 'uintptr_t', code: 'int32_t',
  reserved: 'int32_t', dropped: 'int64_t', response: 'void *', bytes: 'void *',
});
const EVENT = { struct_size: koffi.sizeof('tcsync_event'), kind: 0, level: 0, user_data: 0, code: 0, reserved: 0,
  dropped: 0, response: null, bytes: null };
const [NONE, LOG, LOG_DROPPED, WAKE] = [0, 4, 5, 6];

const codeName = declare('const char *tcsync_code_name(int32_t code)');
const errorMessage = declare('const char *tcsync_error_message(void *error)');
const errorFree = declare('void tcsync_error_free(void *error)');
const configNew = declare('int32_t tcsync_config_new(_Out_ void **config, _Out_ void **error)');
const configFromEnvironment = declare('int32_t tcsync_config_set_from_environment(void *config, _Out_ void **error)');
const configSet = declare('int32_t tcsync_config_set(void *config, const char *name, const char *value, _Out_ void **error)');
const configSetLogQueue = declare('int32_t tcsync_config_set_log_queue(void *config, void *queue, _Out_ void **error)');
const configFree = declare('void tcsync_config_free(void *config)');
const queueNew = declare('int32_t tcsync_queue_new(_Out_ void **queue, _Out_ void **error)');
const queueNext = declare('int32_t tcsync_queue_next(void *queue, int64_t timeout_ms, _Inout_ tcsync_event *event, _Out_ void **error)');
const queueWake = declare('void tcsync_queue_wake(void *queue)');
const queueFree = declare('void tcsync_queue_free(void *queue)');
const engineOpen = declare('int32_t tcsync_engine_open(void *config, _Out_ void **engine, _Out_ void **error)');
const engineFree = declare('void tcsync_engine_free(void *engine)');
const engineBegin = declare('int32_t tcsync_engine_begin(void *engine, const tcsync_request *request, _Out_ void **pending, _Out_ void **response, _Out_ void **error)');
const pendingAppend = declare('int32_t tcsync_pending_append_queued(void *pending, const uint8_t *data, size_t size, void *queue, uintptr_t user_data, _Out_ void **error)');
const pendingFinish = declare('int32_t tcsync_pending_finish_queued(void *pending, void *queue, uintptr_t user_data, _Out_ void **error)');
const pendingFree = declare('void tcsync_pending_free(void *pending)');
const responseStatus = declare('int tcsync_response_status(void *response)');
const responseHeaderCount = declare('size_t tcsync_response_header_count(void *response)');
const responseHeader = declare('int32_t tcsync_response_header(void *response, size_t index, _Out_ void *header, _Out_ void **error)');
const responseBodySize = declare('int64_t tcsync_response_body_size(void *response)');
const responseRead = declare('int32_t tcsync_response_read_queued(void *response, void *queue, uintptr_t user_data, _Out_ void **error)');
const responseFree = declare('void tcsync_response_free(void *response)');
const bytesData = declare('void *tcsync_bytes_data(void *bytes)');
const bytesSize = declare('size_t tcsync_bytes_size(void *bytes)');
const bytesFree = declare('void tcsync_bytes_free(void *bytes)');

const PIECE_BYTES = 64 * 1024, GRACE_MS = 10_000;

// Calls a function whose last parameter is the error.
function call(entry, ...parameters) {
  const error = [null];
  if (entry(...parameters, error) === 0) return;
  const message = errorMessage(error[0]);
  errorFree(error[0]);
  throw new Error(message);
}

function taken(bytes) {
  const copy = bytes && Buffer.from(new Uint8Array(koffi.view(bytesData(bytes), bytesSize(bytes))));
  bytesFree(bytes);
  return copy;
}

class Queue {
  constructor() {
    const queue = [null];
    call(queueNew, queue);
    this.pointer = queue[0];
    this.waiting = new Map();
    this.last = 0;
    this.ended = this.run();
  }

  // Makes a call with this queue; its event.
  event(entry, ...parameters) {
    return new Promise((resolve, reject) => {
      const id = ++this.last;
      call(entry, ...parameters, this.pointer, id);
      this.waiting.set(id, (event) => (event.code === 0 ? resolve(event) : reject(new Error(codeName(event.code)))));
    });
  }

  async run() {
    for (let isEnding = false; !isEnding; ) {
      const event = { ...EVENT };
      await promisify(queueNext.async)(this.pointer, -1, event, [null]);
      for (let next = event; next.kind !== NONE; call(queueNext, this.pointer, 0, (next = { ...EVENT }))) {
        if (next.kind === LOG) process.stderr.write(`${taken(next.bytes)}\n`);
        if (next.kind === LOG_DROPPED) process.stderr.write(`${next.dropped} messages were dropped\n`);
        if (next.kind === WAKE) isEnding = true;
        this.waiting.get(next.user_data)?.(next);
        this.waiting.delete(next.user_data);
      }
    }
    queueFree(this.pointer);
  }
}

class Host {
  constructor(queue, dataDir) {
    this.queue = queue;
    const config = [null], engine = [null];
    call(configNew, config);
    call(configFromEnvironment, config[0]);
    call(configSet, config[0], 'data-dir', dataDir);
    call(configSetLogQueue, config[0], this.queue.pointer);
    call(engineOpen, config[0], engine);
    configFree(config[0]);
    this.engine = engine[0];
    this.open = new Set();
    this.turns = new WeakMap();
  }

  begin(request) {
    const bytes = (text) => Buffer.from(text, 'latin1');
    const field = (name, text) => ({ [name]: bytes(text), [`${name}_size`]: bytes(text).length });
    const headers = [];
    for (let i = 0; i < request.rawHeaders.length; i += 2) {
      headers.push({ ...field('name', request.rawHeaders[i]), ...field('value', request.rawHeaders[i + 1]) });
    }
    const head = {
      struct_size: koffi.sizeof('tcsync_request'), ...field('method', request.method), ...field('target', request.url),
      headers, header_count: headers.length, body: null, body_size: 0,
      ...field('peer_address', request.socket.remoteAddress.replace(/%.*/, '')),
    };
    const pending = [null], response = [null];
    call(engineBegin, this.engine, head, pending, response);
    return [pending[0], response[0]];
  }

  async exchange(request, reply, expectsContinue) {
    let [pending, response] = this.begin(request);
    let isSent = false;
    try {
      if (response && expectsContinue) reply.shouldKeepAlive = false; // The body may come or not.
      else if (expectsContinue) reply.writeContinue();
      if (response) await this.send(request, reply, response);
      isSent = Boolean(response);
      if (!isSent) { // Node itself reads away what nobody has begun to read.
        // A body that breaks off is thrown here, and so it is not finished: it would be stored.
        for await (const chunk of request) {
          for (let at = 0; at < chunk.length && !response; at += PIECE_BYTES) {
            const piece = chunk.subarray(at, at + PIECE_BYTES);
            ({ response } = await this.queue.event(pendingAppend, pending, piece, piece.length));
          }
          // A connection that is closed while its client still sends loses the answer, so the rest is read.
          if (response && !isSent) await this.send(request, reply, response);
          isSent = Boolean(response);
        }
      }
      if (!response) ({ response } = await this.queue.event(pendingFinish, pending));
      if (!isSent) await this.send(request, reply, response);
    } finally {
      pendingFree(pending);
      responseFree(response);
    }
  }

  async send(request, reply, response) {
    const headers = [['Content-Length', String(responseBodySize(response))]];
    for (let i = 0; i < responseHeaderCount(response); ++i) {
      const header = Buffer.alloc(32);
      call(responseHeader, response, i, header);
      const text = (at) => (header.readBigUInt64LE(at + 8) === 0n ? '' : Buffer.from(new Uint8Array(
        koffi.view(header.readBigUInt64LE(at), Number(header.readBigUInt64LE(at + 8))))).toString('latin1'));
      headers.push([text(0), text(16)]);
    }
    if (this.isEnding) reply.shouldKeepAlive = false;
    reply.writeHead(responseStatus(response), headers.flat());
    const pieces = async function* (queue) {
      for (let bytes; (bytes = taken((await queue.event(responseRead, response)).bytes)); ) yield bytes;
    };
    if (request.method === 'HEAD') reply.end();
    else await pipeline(Readable.from(pieces(this.queue)), reply);
  }

  handle(request, reply, expectsContinue = false) {
    if (this.isEnding) return request.socket.destroy();
    // Node begins requests that came together at once; a later one has to see what an earlier one has stored.
    const turn = Promise.resolve(this.turns.get(request.socket));
    const done = turn.then(() => this.exchange(request, reply, expectsContinue)).catch((failure) => {
      process.stderr.write(`${request.socket.remoteAddress}: ${failure.message}\n`);
      request.socket.destroy();
    }).finally(() => this.open.delete(done));
    this.open.add(done);
    this.turns.set(request.socket, done);
  }

  async end(server) {
    this.isEnding = true;
    server.close();
    server.closeIdleConnections();
    const timer = setTimeout(() => server.closeAllConnections(), GRACE_MS);
    await Promise.all(this.open);
    clearTimeout(timer);
    server.closeAllConnections();
    engineFree(this.engine);
    queueWake(this.queue.pointer);
    await this.queue.ended;
  }
}

const queue = new Queue();
try {
  const [dataDir, port] = process.argv.slice(2);
  const host = new Host(queue, String(dataDir));
  const server = http.createServer({
    headersTimeout: 15_000, requestTimeout: 600_000, keepAliveTimeout: 75_000, connectionsCheckingInterval: 5_000,
  }, (request, reply) => host.handle(request, reply));
  server.on('checkContinue', (request, reply) => host.handle(request, reply, true));
  server.setTimeout(30_000); // without a byte in either direction
  server.maxConnections = 5000;
  server.on('error', (failure) => {
    fail(failure);
    host.end(server);
  });
  server.listen({ host: '127.0.0.1', port: Math.min(Number(port), 65535) || 0 }, () => {
    console.log(`listening on http://127.0.0.1:${server.address().port}`);
  });
  for (const signal of ['SIGTERM', 'SIGINT']) process.once(signal, () => host.end(server));
} catch (failure) {
  fail(failure);
  queueWake(queue.pointer); // Node ends once nothing waits.
}

function fail(failure) {
  process.stderr.write(`server.js: ${failure.message}\n`);
  process.exitCode = 1;
}
