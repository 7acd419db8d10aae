// A sync server inside a Java program: the JDK's HTTP server takes the requests, tcsync answers them, and JNA calls it.
//
// Build: javac -d DIR -cp /usr/share/java/jna.jar Server.java
// Run: TCSYNC_LIBRARY=PATH_OF_LIBTCSYNC java -Xmx64m -cp DIR:/usr/share/java/jna.jar Server DATA_DIR PORT
// Port 0 is any free one. Other options come from the environment (docs/options.md).
import com.sun.jna.*;
import com.sun.jna.ptr.PointerByReference;
import com.sun.net.httpserver.*;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.util.*;
import java.util.concurrent.*;

public final class Server {
  @Structure.FieldOrder({"data", "size"}) // In the C header these are two fields.
  public static class Text extends Structure {
    public Pointer data;
    public long size;

    void set(String text) {
      size = text.length();
      data = new Memory(size + 1);
      data.setString(0, text, "ISO-8859-1");
    }

    @Override public String toString() {
      return size == 0 ? "" : Native.toString(data.getByteArray(0, (int) size), "ISO-8859-1");
    }
  }

  @Structure.FieldOrder({"name", "value"})
  public static class Header extends Structure implements Structure.ByReference { public Text name, value; }

  @Structure.FieldOrder({"structSize", "method", "target", "headers", "headerCount", "body", "peerAddress"})
  public static class Request extends Structure {
    public long structSize = size(), headerCount;
    public Text method, target, body, peerAddress;
    public Header headers;
  }

  interface Log extends Callback { void invoke(Pointer user, Pointer record); }

  static NativeLibrary library = NativeLibrary.getInstance(System.getenv().getOrDefault("TCSYNC_LIBRARY", "tcsync"));
  // Keeps the callback from being collected while the library has it.
  static Log log = (user, record) -> System.err.println(new Pointer(invoke("log_record_text", record)).getString(0));

  // A number of any type, or a pointer, is a long here. So this is for machines of 64 bits.
  static long invoke(String name, Object... arguments) {
    return library.getFunction("tcsync_" + name).invokeLong(arguments);
  }

  // Invokes a function whose last parameter is the error.
  static void call(String name, Object... arguments) throws IOException {
    var error = new PointerByReference();
    Object[] all = Arrays.copyOf(arguments, arguments.length + 1);
    all[arguments.length] = error;
    if ((int) invoke(name, all) == 0) return;
    String message = new Pointer(invoke("error_message", error.getValue())).getString(0);
    invoke("error_free", error.getValue());
    throw new IOException(message);
  }

  static Request head(HttpExchange exchange) {
    var request = new Request();
    request.method.set(exchange.getRequestMethod());
    request.target.set(exchange.getRequestURI().toString());
    request.peerAddress.set(exchange.getRemoteAddress().getAddress().getHostAddress().split("%")[0]);
    int count = exchange.getRequestHeaders().values().stream().mapToInt(List::size).sum();
    var headers = (Header[]) new Header().toArray(count + 1);
    exchange.getRequestHeaders().forEach((name, values) -> values.forEach(value -> {
      Header header = headers[(int) request.headerCount++];
      header.name.set(name);
      header.value.set(value);
    }));
    request.headers = headers[0];
    return request;
  }

  static void send(HttpExchange exchange, Pointer response) throws IOException {
    var header = new Header();
    for (long i = 0; (int) invoke("response_header", response, i, header, null) == 0; ++i) {
      exchange.getResponseHeaders().add(header.name.toString(), header.value.toString());
    }
    long size = invoke("response_body_size", response);
    boolean hasBody = size > 0 && !exchange.getRequestMethod().equals("HEAD");
    if (!hasBody) exchange.getResponseHeaders().set("Content-Length", Long.toString(size));
    exchange.sendResponseHeaders((int) invoke("response_status", response), hasBody ? size : -1);
    for (var bytes = new PointerByReference(); hasBody; ) {
      call("response_read", response, bytes);
      if (bytes.getValue() == null) return;
      var data = new Pointer(invoke("bytes_data", bytes.getValue()));
      byte[] piece = data.getByteArray(0, (int) invoke("bytes_size", bytes.getValue()));
      invoke("bytes_free", bytes.getValue());
      exchange.getResponseBody().write(piece);
      exchange.getResponseBody().flush(); // The JDK first drops the rest of a refused body.
    }
  }

  static void handle(HttpExchange exchange, Pointer engine) throws IOException {
    PointerByReference pending = new PointerByReference(), response = new PointerByReference();
    try (exchange) {
      call("engine_begin", engine, head(exchange), pending, response);
      // A truncated body is an IOException, and so it is not finished: it would be stored.
      byte[] piece = new byte[64 * 1024];
      for (int size; response.getValue() == null && (size = exchange.getRequestBody().read(piece)) >= 0; ) {
        call("pending_append", pending.getValue(), piece, (long) size, response);
      }
      if (response.getValue() == null) call("pending_finish", pending.getValue(), response);
      send(exchange, response.getValue());
    } finally {
      invoke("pending_free", pending.getValue());
      invoke("response_free", response.getValue());
    }
  }

  static void end(HttpServer web, ExecutorService threads, Pointer engine) {
    threads.shutdown(); // A connection with a new request is closed, and open requests are answered.
    try {
      threads.awaitTermination(10, TimeUnit.SECONDS);
      web.stop(0);
      threads.awaitTermination(1, TimeUnit.DAYS); // Interrupted requests end soon.
    } catch (InterruptedException ignored) {}
    invoke("engine_free", engine);
    Runtime.getRuntime().halt(0); // Otherwise the status would be that of the signal.
  }

  public static void main(String[] arguments) throws IOException {
    // In seconds, for a request with its body and for an answer. The rest of a refused body is dropped, up to 100 MB:
    // a connection that is closed while its client still sends loses the answer.
    System.setProperty("sun.net.httpserver.maxReqTime", "300");
    System.setProperty("sun.net.httpserver.maxRspTime", "300");
    System.setProperty("sun.net.httpserver.drainAmount", "100000000");
    System.setProperty("sun.net.httpserver.nodelay", "true");
    var web = HttpServer.create(new InetSocketAddress("127.0.0.1", Integer.parseInt(arguments[1])), 128);
    PointerByReference config = new PointerByReference(), engine = new PointerByReference();
    call("config_new", config);
    call("config_set_from_environment", config.getValue());
    call("config_set", config.getValue(), "data-dir", arguments[0]);
    call("config_set_log", config.getValue(), log, null);
    call("engine_open", config.getValue(), engine);
    invoke("config_free", config.getValue());
    ExecutorService threads = Executors.newCachedThreadPool();
    web.setExecutor(threads);
    web.createContext("/", exchange -> handle(exchange, engine.getValue()));
    web.start();
    Runtime.getRuntime().addShutdownHook(new Thread(() -> end(web, threads, engine.getValue())));
    System.out.println("listening on http://127.0.0.1:" + web.getAddress().getPort());
  }
}
