// A sync server inside a Java program: the JDK's HTTP server takes the requests, tcsync answers them, and JNA calls it.
//
// Build: javac -d DIR -cp /usr/share/java/jna.jar Server.java
// Run: TCSYNC_LIBRARY=PATH_OF_LIBTCSYNC java -Xmx64m -cp DIR:/usr/share/java/jna.jar Server DATA_DIR PORT
// Port 0 is any free one. Other options come from the environment (docs/options.md).
import static java.nio.charset.StandardCharsets.ISO_8859_1;

import com.sun.jna.*;
import com.sun.jna.ptr.PointerByReference;
import com.sun.net.httpserver.*;
import java.io.IOException;
import java.net.*;
import java.util.*;
import java.util.concurrent.*;
import java.util.concurrent.locks.ReentrantReadWriteLock;

public final class Server {
  interface Log extends Callback { void invoke(Pointer user, int level, String message, long size); }

  static final NativeLibrary library = NativeLibrary.getInstance(
      System.getenv().getOrDefault("TCSYNC_LIBRARY", "tcsync"), Map.of(Library.OPTION_STRING_ENCODING, "UTF-8"));
  // Nothing but this keeps the callback from being collected while the library has it.
  static final Log log = (user, level, message, size) -> System.err.println(message);
  static final int PIECE_BYTES = 64 * 1024, THREADS_MAX = 2000, GRACE_S = 10, LINGER_S = 5;

  final PointerByReference engine = new PointerByReference();
  // Requests have it for reading; the end of the engine has it for writing, for good.
  final ReentrantReadWriteLock open = new ReentrantReadWriteLock(true);

  static Function function(String name) { return library.getFunction("tcsync_" + name); }

  // Calls a function whose last parameter is the error. A size_t or int64_t is a long here, so for machines of 64 bits.
  static void call(String name, Object... arguments) throws IOException {
    var error = new PointerByReference();
    Object[] all = Arrays.copyOf(arguments, arguments.length + 1);
    all[arguments.length] = error;
    if (function(name).invokeInt(all) == 0) return;
    String message = function("error_message").invokeString(new Object[] {error.getValue()}, false);
    free("error_free", error);
    throw new IOException(message);
  }

  static void free(String name, PointerByReference handle) {
    function(name).invokeVoid(new Object[] {handle.getValue()});
    handle.setValue(null);
  }

  static long number(String name, PointerByReference handle) {
    return function(name).invokeLong(new Object[] {handle.getValue()});
  }

  void begin(HttpExchange exchange, PointerByReference pending, PointerByReference answer) throws IOException {
    String peer = exchange.getRemoteAddress().getAddress().getHostAddress().replaceFirst("%.*", "");
    List<String> texts = new ArrayList<>(List.of(exchange.getRequestMethod(), exchange.getRequestURI().toString(), peer));
    exchange.getRequestHeaders().forEach((name, values) -> values.forEach(value -> Collections.addAll(texts, name, value)));
    int headers = (texts.size() - 3) / 2;
    // A tcsync_request, which has 88 bytes, then each tcsync_header, which has 32, then the texts, one byte a character.
    try (var request = new Memory(88 + 32 * headers + texts.stream().mapToInt(String::length).sum())) {
      request.clear();
      request.setLong(0, 88);
      request.setPointer(40, request.share(88));
      request.setLong(48, headers);
      for (int i = 0, at = 88 + 32 * headers; i < texts.size(); ++i) {
        byte[] text = texts.get(i).getBytes(ISO_8859_1);
        int field = i < 2 ? 8 + 16 * i : i == 2 ? 72 : 88 + 16 * (i - 3);
        request.write(at, text, 0, text.length);
        request.setLong(field + 8, text.length);
        if (text.length > 0) request.setPointer(field, request.share(at));
        at += text.length;
      }
      call("engine_begin", engine.getValue(), request, pending, answer);
    }
  }

  // A body that breaks off is an IOException, and so it is not finished: it would be stored.
  void receive(HttpExchange exchange, PointerByReference pending, PointerByReference answer) throws IOException {
    byte[] bytes = new byte[PIECE_BYTES];
    try (var piece = new Memory(PIECE_BYTES)) {
      for (int size; answer.getValue() == null && (size = exchange.getRequestBody().read(bytes)) >= 0; ) {
        piece.write(0, bytes, 0, size);
        call("pending_append", pending.getValue(), piece, (long) size, answer);
      }
    }
    if (answer.getValue() == null) call("pending_finish", pending.getValue(), answer);
  }

  // Whether the request's body can still be read.
  boolean send(HttpExchange exchange, PointerByReference answer) throws IOException {
    try (var field = new Memory(32)) {
      for (long i = 0; i < number("response_header_count", answer); ++i) {
        call("response_header", answer.getValue(), i, field);
        exchange.getResponseHeaders().add(text(field, 0), text(field, 16));
      }
    }
    long size = number("response_body_size", answer);
    boolean hasBody = size > 0 && !exchange.getRequestMethod().equals("HEAD");
    if (!hasBody) exchange.getResponseHeaders().set("Content-Length", Long.toString(size));
    exchange.sendResponseHeaders((int) number("response_status", answer), hasBody ? size : -1);
    var piece = new PointerByReference();
    while (hasBody) {
      call("response_read", answer.getValue(), piece);
      if (piece.getValue() == null) break;
      Pointer data = function("bytes_data").invokePointer(new Object[] {piece.getValue()});
      byte[] bytes = data.getByteArray(0, (int) number("bytes_size", piece));
      free("bytes_free", piece);
      exchange.getResponseBody().write(bytes);
    }
    if (hasBody) exchange.getResponseBody().flush();
    return hasBody;
  }

  static String text(Pointer header, long offset) {
    int size = (int) header.getLong(offset + 8);
    return size == 0 ? "" : new String(header.getPointer(offset).getByteArray(0, size), ISO_8859_1);
  }

  void handle(HttpExchange exchange) throws IOException {
    PointerByReference pending = new PointerByReference(), answer = new PointerByReference();
    boolean isTaken = false;
    try {
      String length = exchange.getRequestHeaders().getFirst("Content-Length");
      if (length != null && !length.matches("[0-9]+")) throw new IOException("a malformed Content-Length");
      isTaken = open.readLock().tryLock(0, TimeUnit.SECONDS);
      if (!isTaken) return;
      begin(exchange, pending, answer);
      if (answer.getValue() == null) receive(exchange, pending, answer);
      boolean isOpen = send(exchange, answer);
      // A connection that is closed while its client still sends loses the answer.
      long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(LINGER_S);
      byte[] rest = new byte[PIECE_BYTES];
      while (isOpen && exchange.getRequestBody().read(rest) >= 0 && System.nanoTime() < end) {}
    } catch (IOException | InterruptedException failure) {
      System.err.println(exchange.getRemoteAddress() + ": " + failure.getMessage());
    } finally {
      free("pending_free", pending);
      free("response_free", answer);
      exchange.close();
      if (isTaken) open.readLock().unlock();
    }
  }

  void run(String dataDir, int port) throws IOException {
    // In seconds. This server has a thread for each request from its first byte on, and one limit for head and body.
    System.setProperty("sun.net.httpserver.maxReqTime", "300");
    System.setProperty("sun.net.httpserver.maxRspTime", "300");
    System.setProperty("sun.net.httpserver.idleInterval", "75");
    System.setProperty("sun.net.httpserver.nodelay", "true");
    var web = HttpServer.create(new InetSocketAddress("127.0.0.1", port), 128);
    var config = new PointerByReference();
    call("config_new", config);
    call("config_set_from_environment", config.getValue());
    call("config_set", config.getValue(), "data-dir", dataDir);
    call("config_set_log", config.getValue(), log, null);
    call("engine_open", config.getValue(), engine);
    free("config_free", config);
    var threads = new ThreadPoolExecutor(THREADS_MAX, THREADS_MAX, 60, TimeUnit.SECONDS, new LinkedBlockingQueue<>());
    threads.allowCoreThreadTimeOut(true);
    web.setExecutor(threads);
    web.createContext("/", this::handle);
    web.start();
    Runtime.getRuntime().addShutdownHook(new Thread(() -> end(web)));
    System.out.println("listening on http://127.0.0.1:" + web.getAddress().getPort());
  }

  void end(HttpServer web) {
    try {
      boolean isIdle = open.writeLock().tryLock(GRACE_S, TimeUnit.SECONDS);
      web.stop(0);
      if (!isIdle) open.writeLock().lock(); // The requests that were cut off end soon.
      free("engine_free", engine);
    } catch (InterruptedException nobodyDoes) {
    }
    Runtime.getRuntime().halt(0); // Otherwise the status would be that of the signal.
  }

  public static void main(String[] arguments) {
    try {
      if (arguments.length != 2) throw new IllegalArgumentException("usage: Server DATA_DIR PORT");
      new Server().run(arguments[0], Integer.parseInt(arguments[1]));
    } catch (IOException | IllegalArgumentException failure) {
      System.err.println("Server: " + failure.getMessage());
      System.exit(1);
    }
  }
}
