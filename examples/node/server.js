// A sync server inside a Node program: node:http takes the requests, tcsync answers them, and koffi calls it.
//
// Calls are made on threads of Node's pool, UV_THREADPOOL_SIZE of them. Without threads: the queues of docs/c-abi.md.
// Build: npm install --prefix DIR koffi@3.3.4
// Run: NODE_PATH=DIR/node_modules TCSYNC_LIBRARY=PATH_OF_LIBTCSYNC node server.js DATA_DIR PORT
// Port 0 is any free one. Other options come from the environment (docs/options.md).
'use strict';
const { once } = require('node:events');
const http = require('node:http');
const { pipeline } = require('node:stream/promises');
const { promisify } = require('node:util');
const koffi = require('koffi');

koffi.config({ async_stack_size: 1 << 20, max_async_calls: 4096 }); // koffi's own stacks are too small for a database.
koffi.struct('text', { data: 'const uint8_t *', size: 'size_t' }); // In the C header these are two fields.
koffi.struct('tcsync_header', { name: 'text', value: 'text' });
koffi.struct('tcsync_request', {
  struct_size: 'size_t', method: 'text', target: 'text', headers: 'const tcsync_header *', header_count: 'size_t',
  body: 'text', peer_address: 'text',
});
koffi.proto('void tcsync_log_function(void *user_data, void *record)');
const library = koffi.load(process.env.TCSYNC_LIBRARY || 'libtcsync.so.0');
const tcsync = {};
for (const [result, name, parameters] of [
  ['const char *', 'error_message', 'void *error'], ['const char *', 'log_record_text', 'void *record'],
  ['void', 'error_free', 'void *error'],
  ['int', 'config_new', '_Out_ void **config, _Out_ void **error'],
  ['int', 'config_set_from_environment', 'void *config, _Out_ void **error'],
  ['int', 'config_set', 'void *config, const char *name, const char *value, _Out_ void **error'],
  ['int', 'config_set_log', 'void *config, tcsync_log_function *, void *user_data, _Out_ void **error'],
  ['void', 'config_free', 'void *config'],
  ['int', 'engine_open', 'void *config, _Out_ void **engine, _Out_ void **error'],
  ['void', 'engine_free', 'void *engine'],
  ['int', 'engine_begin', 'void *engine, const tcsync_request *, _Out_ void **, _Out_ void **, _Out_ void **error'],
  ['int', 'pending_append', 'void *pending, const uint8_t *data, size_t, _Out_ void **response, _Out_ void **error'],
  ['int', 'pending_finish', 'void *pending, _Out_ void **response, _Out_ void **error'],
  ['void', 'pending_free', 'void *pending'],
  ['int', 'response_status', 'void *response'],
  ['int', 'response_header', 'void *response, size_t index, _Out_ tcsync_header *, _Out_ void **error'],
  ['int64_t', 'response_body_size', 'void *response'],
  ['int', 'response_read', 'void *response, _Out_ void **bytes, _Out_ void **error'],
  ['void', 'response_free', 'void *response'],
  ['void *', 'bytes_data', 'void *bytes'],
  ['size_t', 'bytes_size', 'void *bytes'],
  ['void', 'bytes_free', 'void *bytes'],
]) tcsync[name] = library.func(`${result} tcsync_${name}(${parameters})`);

function check(code, error) {
  if (code === 0) return;
  const message = tcsync.error_message(error);
  tcsync.error_free(error);
  throw new Error(message);
}

// Calls a function whose last parameter is the error. A buffer that is still used afterwards is not collected meanwhile.
async function call(name, ...parameters) {
  const error = [null];
  const code = await promisify(tcsync[name].async)(...parameters, error);
  parameters.fill(null);
  check(code, error[0]);
}

const text = (string) => ({ data: Buffer.from(string, 'latin1'), size: string.length });
const copied = ({ data, size }) => Buffer.from(size ? new Uint8Array(koffi.view(data, size)) : []);

function head(request) {
  const headers = [], raw = request.rawHeaders;
  for (let i = 0; i < raw.length; i += 2) headers.push({ name: text(raw[i]), value: text(raw[i + 1]) });
  return {
    struct_size: koffi.sizeof('tcsync_request'), method: text(request.method), target: text(request.url), headers,
    header_count: headers.length, body: text(''), peer_address: text(request.socket.remoteAddress),
  };
}

async function* body(response) {
  for (const bytes = [null]; ; ) {
    await call('response_read', response, bytes);
    if (!bytes[0]) return;
    const piece = copied({ data: tcsync.bytes_data(bytes[0]), size: tcsync.bytes_size(bytes[0]) });
    tcsync.bytes_free(bytes[0]);
    yield piece;
  }
}

async function send(server, reply, response) {
  reply.statusCode = tcsync.response_status(response);
  reply.setHeader('Content-Length', String(tcsync.response_body_size(response)));
  if (!server.listening) reply.setHeader('Connection', 'close');
  const header = {};
  for (let i = 0; tcsync.response_header(response, i, header, null) === 0; ++i) {
    reply.appendHeader(copied(header.name).toString('latin1'), copied(header.value).toString('latin1'));
  }
  await pipeline(body(response), reply); // Node omits the body in the answer to a HEAD.
}

async function exchange(engine, server, request, reply) {
  const pending = [null], response = [null], error = [null];
  try {
    // Pipelined requests must see the effects of those before them.
    if (!reply.socket) await once(reply, 'socket');
    check(tcsync.engine_begin(engine, head(request), pending, response, error), error[0]);
    if (response[0]) return await send(server, reply, response[0]); // Node drops an unread body.
    // A truncated body throws here, and so it is not finished: it would be stored.
    for await (const piece of request) {
      if (response[0]) continue; // A connection that is closed while its client still sends loses the answer.
      await call('pending_append', pending[0], piece, piece.length, response);
      if (response[0]) await send(server, reply, response[0]);
    }
    if (response[0]) return;
    await call('pending_finish', pending[0], response);
    await send(server, reply, response[0]);
  } catch (failure) {
    console.error(failure.message);
    request.socket.destroy();
  } finally {
    tcsync.pending_free(pending[0]);
    tcsync.response_free(response[0]);
  }
}

async function serve(engine, port) {
  const server = http.createServer((request, reply) => exchange(engine, server, request, reply));
  server.setTimeout(30_000); // Nothing in either direction. Node itself bounds the time of a head and of a body.
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  const signalled = Promise.race([once(process, 'SIGTERM'), once(process, 'SIGINT')]);
  console.log(`listening on http://127.0.0.1:${server.address().port}`);
  await signalled;
  server.close();
  setTimeout(() => server.closeAllConnections(), 10_000).unref();
  await once(server, 'close');
}

async function main(dataDir, port) {
  const config = [null], engine = [null];
  await call('config_new', config);
  await call('config_set_from_environment', config[0]);
  await call('config_set', config[0], 'data-dir', dataDir);
  const log = koffi.register((user, record) => console.error(tcsync.log_record_text(record)), 'tcsync_log_function *');
  await call('config_set_log', config[0], log, null);
  await call('engine_open', config[0], engine);
  tcsync.config_free(config[0]);
  await serve(engine[0], Number(port)).finally(() => promisify(tcsync.engine_free.async)(engine[0]));
}

main(...process.argv.slice(2)).catch((failure) => {
  console.error(`server.js: ${failure.message}`);
  process.exitCode = 1;
});
