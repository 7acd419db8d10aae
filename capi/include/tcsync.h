/*
 * tcsync.h - the C ABI of tcsync, an embeddable TaskChampion sync engine.
 *
 * An engine keeps many clients' sealed task histories in one data directory and answers the
 * TaskChampion sync protocol; a listener serves it to the network; and the replica's side seals history
 * segments and snapshots, calls a sync server elsewhere, and keeps tasks in a replica, which it syncs.
 * docs/c-abi.md describes the conventions, with examples; in short:
 *
 * - Names. A client is one task history, named by a client ID (a UUID); a version is one link of its
 *   chain; a history segment is a version's sealed bytes; a snapshot is the sealed whole state.
 * - Results. A function that can fail returns a tcsync_code and takes a last parameter
 *   `tcsync_error **error`, which may be NULL. On failure *error, if given, is a new error that the
 *   caller frees, or NULL when there is no memory for one; on success it is NULL. There is no
 *   thread-local "last error".
 * - Errors. The comment of a function names the codes of its own. Besides them, each function that
 *   returns a code can give TCSYNC_NULL_ARGUMENT, TCSYNC_INVALID_ARGUMENT for a length or a
 *   struct_size out of range, TCSYNC_OUT_OF_MEMORY, TCSYNC_INTERNAL, and TCSYNC_FORKED (see "Fork").
 * - Outputs. A call that fails clears every output: it is NULL, 0, "", or a struct of these in which
 *   only struct_size is kept. Every _free accepts NULL.
 * - Inputs are borrowed for the call. Data is a pointer and a length in bytes; a NULL pointer is
 *   valid only with length 0, and a length of more than PTRDIFF_MAX bytes, such as -1, is
 *   TCSYNC_INVALID_ARGUMENT. Text that names something (an option, its value, a UUID) is
 *   NUL-terminated UTF-8; the bytes of a path go to the system as they are. UUIDs are in the dashed
 *   form, 36 characters, as inputs in either case, as outputs in lower case.
 * - Structs that the caller fills begin with struct_size = sizeof(the struct), grow only at their
 *   end, and must be zeroed first: zero means default. Of a struct from a later header, a field that
 *   this release of the library does not know must be zero, or the call fails with
 *   TCSYNC_INVALID_ARGUMENT; as a result, such a field becomes zero. A struct_size of more than 4096
 *   is out of range; the struct then stays as it was.
 * - No function throws, exits or writes to a stream, and a NULL where a handle or an output is needed
 *   gives TCSYNC_NULL_ARGUMENT (or 0, or an empty result), in release builds too. Only a library that
 *   was built with assertions does more when a handle is used after its _free (docs/c-abi.md).
 * - Order. A listener is stopped or freed before its engine is freed, and a remote before its key.
 *   All other handles may be freed in any order, also while their requests are under way.
 * - Fork: a process that was forked may use every handle that it has from its parent but engines,
 *   listeners, queues, replicas, pending requests, and responses other than those of
 *   tcsync_engine_handle, tcsync_engine_handle_async, tcsync_administer and tcsync_monitor. Their calls
 *   that return a code give TCSYNC_FORKED there, and their _free leaves the memory as it is until the
 *   process ends.
 *   docs/c-abi.md has more under "Fork".
 * - Threads: "any" means that any thread may call it at any time, also for the same handle; "one"
 *   means one thread at a time for one handle. No handle may be used during or after its _free.
 * - Callbacks may call every function, those that wait included, but for the exceptions in their
 *   comments. No request waits for a callback.
 * - Signals: threads of the library block all of them but those of a fault of their own (SIGSEGV,
 *   SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS), so that other handlers run on the host's threads.
 *
 * This header is C90, needs nothing but <stddef.h> and <stdint.h>, and is C++98-clean.
 */
#ifndef TCSYNC_H_
#define TCSYNC_H_

#include <stddef.h>
#include <stdint.h>

/* The release of this header. Major, minor and patch are numbers; TCSYNC_VERSION_NUMBER combines the
 * three for comparisons: 1002003 is 1.2.3. tcsync_version_number() gives the release of the library
 * that a program runs with. The build takes the release from here. */
#define TCSYNC_VERSION_MAJOR 0
#define TCSYNC_VERSION_MINOR 1
#define TCSYNC_VERSION_PATCH 0
#define TCSYNC_VERSION_NUMBER \
  (TCSYNC_VERSION_MAJOR * 1000000 + TCSYNC_VERSION_MINOR * 1000 + TCSYNC_VERSION_PATCH)

/* Exported from the library. The library's own build defines TCSYNC_BUILDING. The branch for
 * Windows has never been tested: tcsync itself has not been ported. */
#if defined(_WIN32)
#if defined(TCSYNC_BUILDING)
#define TCSYNC_API __declspec(dllexport)
#else
#define TCSYNC_API __declspec(dllimport)
#endif
#elif defined(__GNUC__)
#define TCSYNC_API __attribute__((visibility("default")))
#else
#define TCSYNC_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ------------------------------------------------------------------------------------------------
 * Codes and errors
 */

/* A result: one of the enumerators below. The low byte is the coarse code, on which a program bases its
 * decisions; the bits above it are a detail. Compare TCSYNC_COARSE(code) with the coarse codes, and the
 * whole code with the detailed ones. Later releases may add details to any coarse code, and coarse
 * codes up to 127; a program treats an unknown one as TCSYNC_INTERNAL. No release returns a negative
 * code: those are reserved for the host's own results in the same type, and have no coarse code. */
typedef int32_t tcsync_code;

#define TCSYNC_COARSE(code) ((tcsync_code)(0xff & (code)))

enum {
  TCSYNC_OK = 0,
  /* An argument is NULL, malformed or out of range. Details: below. */
  TCSYNC_INVALID_ARGUMENT = 1,
  TCSYNC_OUT_OF_MEMORY = 2,
  /* A mistake in tcsync: please report the message. */
  TCSYNC_INTERNAL = 3,
  /* The operating system refused: permissions, a full disk, a path that is not a directory, no further
   * thread or descriptor. */
  TCSYNC_SYSTEM = 4,
  /* In use by another process or engine: the data directory, the address, or a replica's database. */
  TCSYNC_IN_USE = 5,
  /* The engine was freed, or the pending request, and the call needs it. Details: below. */
  TCSYNC_UNAVAILABLE = 6,
  /* The data directory is not one of tcsync's, or was written by a newer release; or the same of a
   * replica's database. Details: below. */
  TCSYNC_WRONG_FORMAT = 7,
  /* Stored bytes fail their checksum, or stored records cannot be read. */
  TCSYNC_DATA_LOSS = 8,
  /* This build of the library lacks the function (built with TCSYNC_SERVER=OFF), or the program's
   * SQLite cannot keep a replica. */
  TCSYNC_UNSUPPORTED = 9,
  /* Sealed bytes do not open. Details: below. */
  TCSYNC_UNSEAL_FAILED = 10,
  /* A sync server elsewhere could not be used. Details: below. */
  TCSYNC_REMOTE_FAILED = 11,
  /* The call was cancelled, by tcsync_remote_cancel or by the progress function of a sync. */
  TCSYNC_CANCELLED = 12,
  /* The server was reached, and its history and the replica's do not fit. Details: below. */
  TCSYNC_SYNC_FAILED = 13,

  /* Details of TCSYNC_INVALID_ARGUMENT. */
  TCSYNC_NULL_ARGUMENT = 1 | 1 << 8,
  TCSYNC_UNKNOWN_OPTION = 1 | 2 << 8,
  TCSYNC_INVALID_OPTION_VALUE = 1 | 3 << 8,
  TCSYNC_INVALID_UUID = 1 | 4 << 8,
  TCSYNC_INVALID_ADDRESS = 1 | 5 << 8,
  /* The handle was made by this process's parent, before the fork, and works only there; or the parent
   * has opened an engine, or had a replica open at the fork, and so this process cannot open
   * another. */
  TCSYNC_FORKED = 1 | 6 << 8,
  /* An operation cannot be applied to the tasks, such as an update of a task that does not exist. The
   * message gives its index. */
  TCSYNC_INVALID_OPERATION = 1 | 7 << 8,

  /* Details of TCSYNC_UNAVAILABLE. */
  /* A response's body cannot be read to its end: it was removed meanwhile, its record is damaged, or
   * the engine was freed. The host has sent a part of it, and must close the connection. */
  TCSYNC_RESPONSE_INCOMPLETE = 6 | 1 << 8,

  /* Details of TCSYNC_WRONG_FORMAT. */
  /* There is no replica's database, and must_exist was set. */
  TCSYNC_REPLICA_MISSING = 7 | 1 << 8,

  /* Details of TCSYNC_UNSEAL_FAILED. */
  /* Shorter than sealed bytes can be, or the end is missing. */
  TCSYNC_UNSEAL_TRUNCATED = 10 | 1 << 8,
  /* The first byte names a format that this release does not know. */
  TCSYNC_UNSEAL_UNKNOWN_FORMAT = 10 | 2 << 8,
  /* Sealed with another secret or for another client ID; both enter only through the key, so they
   * cannot be told apart. */
  TCSYNC_UNSEAL_WRONG_KEY = 10 | 3 << 8,
  /* The key is right, but bytes were changed, or they belong to another version ID. */
  TCSYNC_UNSEAL_NOT_AUTHENTIC = 10 | 4 << 8,

  /* Details of TCSYNC_REMOTE_FAILED: the network. */
  TCSYNC_REMOTE_NAME_NOT_RESOLVED = 11 | 1 << 8,
  TCSYNC_REMOTE_CONNECTION_REFUSED = 11 | 2 << 8,
  /* Unreachable, reset, or closed before the answer was complete. */
  TCSYNC_REMOTE_NETWORK_FAILED = 11 | 3 << 8,
  /* The message names the phase. */
  TCSYNC_REMOTE_TIMED_OUT = 11 | 4 << 8,
  /* The proxy cannot be reached or refuses. */
  TCSYNC_REMOTE_PROXY_FAILED = 11 | 5 << 8,
  /* Details of TCSYNC_REMOTE_FAILED: TLS. */
  /* The certificate is expired or not yet valid; or this computer's clock is wrong. */
  TCSYNC_REMOTE_CERTIFICATE_EXPIRED = 11 | 6 << 8,
  /* No trusted authority issued the certificate. */
  TCSYNC_REMOTE_CERTIFICATE_UNTRUSTED = 11 | 7 << 8,
  /* The certificate is for another host. */
  TCSYNC_REMOTE_CERTIFICATE_WRONG_HOST = 11 | 8 << 8,
  /* The server of an https URL does not speak TLS; most often it speaks plain HTTP. */
  TCSYNC_REMOTE_NOT_TLS = 11 | 9 << 8,
  TCSYNC_REMOTE_TLS_FAILED = 11 | 10 << 8,
  /* Details of TCSYNC_REMOTE_FAILED: the server's answers. */
  /* 403: the server does not admit this client ID. */
  TCSYNC_REMOTE_NOT_ALLOWED = 11 | 11 << 8,
  /* 413: the request is longer than the server accepts. */
  TCSYNC_REMOTE_TOO_LARGE = 11 | 12 << 8,
  /* 429: too many requests. */
  TCSYNC_REMOTE_RATE_LIMITED = 11 | 13 << 8,
  /* 404 where the protocol has none, or another 4xx: usually a wrong path, or no sync server. */
  TCSYNC_REMOTE_REJECTED = 11 | 14 << 8,
  /* 503, 502 or 504: too busy, restarting, or unreachable for the proxy in front of it. */
  TCSYNC_REMOTE_SERVER_UNAVAILABLE = 11 | 15 << 8,
  /* 507: the server stores nothing more, for this client or for any. */
  TCSYNC_REMOTE_SERVER_FULL = 11 | 16 << 8,
  /* 500 or another 5xx. */
  TCSYNC_REMOTE_SERVER_FAILED = 11 | 17 << 8,
  /* A 3xx; the message gives its target. Redirects are not followed. */
  TCSYNC_REMOTE_REDIRECTED = 11 | 18 << 8,
  /* An answer outside the protocol: no sync server, or something altered it. */
  TCSYNC_REMOTE_BROKEN_ANSWER = 11 | 19 << 8,
  /* The answer is longer than response_bytes_max. */
  TCSYNC_REMOTE_ANSWER_TOO_LARGE = 11 | 20 << 8,

  /* Details of TCSYNC_SYNC_FAILED. */
  /* A version unseals, and its history segment is not one of TaskChampion's. */
  TCSYNC_SYNC_INVALID_VERSION = 13 | 1 << 8,
  /* The snapshot unseals, and is not one of TaskChampion's. */
  TCSYNC_SYNC_INVALID_SNAPSHOT = 13 | 2 << 8,
  /* The replica's base version is not in the server's history: the history was replaced, or its
   * beginning was removed while this replica was away. */
  TCSYNC_SYNC_HISTORY_GONE = 13 | 3 << 8,
  /* The server refuses the replica's version in favour of a later one, which it does not give: the two
   * histories have diverged. */
  TCSYNC_SYNC_DIVERGED = 13 | 4 << 8,

  /* The largest of the host's own codes. */
  TCSYNC_HOST_CODE_MAX = -1
};

/* The name of a code, such as "TCSYNC_IN_USE"; the coarse code's name for an unknown detail, and
 * "TCSYNC_UNKNOWN_CODE" for an unknown code.
 * Threads: any.
 * Ownership: a constant; do not free it.
 * Errors: none. */
TCSYNC_API const char *tcsync_code_name(tcsync_code code);

/* The failure of one call: a code, and a sentence for people that names the fault, the value and the
 * remedy. It contains no secret and no plaintext, but may contain the URL of a server, with the invite
 * in its path. */
typedef struct tcsync_error tcsync_error;

/* The code that the failed call returned.
 * Threads: any.
 * Ownership: nothing is passed.
 * Errors: TCSYNC_OK for NULL. */
TCSYNC_API tcsync_code tcsync_error_code(const tcsync_error *error);

/* The sentence, NUL-terminated UTF-8 in one line.
 * Threads: any.
 * Ownership: borrowed from the error, valid until it is freed.
 * Errors: "" for NULL. */
TCSYNC_API const char *tcsync_error_message(const tcsync_error *error);

/* Frees the error.
 * Threads: one.
 * Ownership: takes the error.
 * Errors: none. */
TCSYNC_API void tcsync_error_free(tcsync_error *error);

/* The release of the library, such as "0.1.0".
 * Threads: any.
 * Ownership: a constant; do not free it.
 * Errors: none. */
TCSYNC_API const char *tcsync_version(void);

/* The same as a number: the TCSYNC_VERSION_NUMBER of the header that the library was built with.
 * Threads: any.
 * Ownership: nothing is passed.
 * Errors: none. */
TCSYNC_API int32_t tcsync_version_number(void);

/* Whether this build of the library has a feature: 1 or 0. The features are
 *   "server"    the engine, and requests without sockets
 *   "listener"  the listener
 *   "admin"     tcsync_administer
 *   "monitor"   tcsync_monitor
 *   "sealing"   credentials, keys and sealing
 *   "remote"    calls to a sync server elsewhere
 *   "replica"   replicas and their sync
 *   "tls"       https: to a sync server elsewhere, and of the listener where there is one
 * The first four are absent from a build with TCSYNC_SERVER=OFF, whose functions for them fail with
 * TCSYNC_UNSUPPORTED. Later releases add features; an unknown word is a feature that this release
 * lacks.
 * Threads: any.
 * Ownership: borrows feature for the call.
 * Errors: 0 for NULL. */
TCSYNC_API int tcsync_has(const char *feature);

/* ------------------------------------------------------------------------------------------------
 * Outputs: bytes of any length, and UUIDs
 */

/* Bytes that a call returned; text is returned as one of these, too. */
typedef struct tcsync_bytes tcsync_bytes;

/* The bytes. A NUL follows the last one and is not counted, so that text can be used as a C string. Not
 * NULL unless `bytes` is.
 * Threads: any.
 * Ownership: borrowed from `bytes`, valid until it is freed.
 * Errors: NULL for NULL. */
TCSYNC_API const char *tcsync_bytes_data(const tcsync_bytes *bytes);

/* The number of bytes, without the NUL that follows them.
 * Threads: any.
 * Ownership: nothing is passed.
 * Errors: 0 for NULL. */
TCSYNC_API size_t tcsync_bytes_size(const tcsync_bytes *bytes);

/* Wipes the bytes and frees them.
 * Threads: one.
 * Ownership: takes the bytes.
 * Errors: none. */
TCSYNC_API void tcsync_bytes_free(tcsync_bytes *bytes);

/* A UUID in the dashed form, 36 characters and a NUL, or "". This struct cannot grow. */
typedef struct tcsync_uuid {
  char text[37];
} tcsync_uuid;

/* A random UUID (version 4, RFC 9562), such as a new task needs.
 * Threads: any.
 * Ownership: fills the caller's struct.
 * Errors: none of its own. */
TCSYNC_API tcsync_code tcsync_uuid_random(tcsync_uuid *uuid, tcsync_error **error);

/* A header field of HTTP, or a field of a log record. This struct cannot grow: there are arrays of
 * it. */
typedef struct tcsync_header {
  const char *name;
  size_t name_size;
  const char *value;
  size_t value_size;
} tcsync_header;

/* ------------------------------------------------------------------------------------------------
 * Configuration: options by name
 */

/* The options, and the destination of the log, of engines and listeners that are made from it. While a
 * call on any thread borrows it, no other thread may change it. */
typedef struct tcsync_config tcsync_config;

/* One option, as tcsync_option_info fills it. All pointers are constants. docs/options.md lists all
 * options with their meaning. */
typedef struct tcsync_option {
  size_t struct_size;       /* filled by the caller; the rest need not be zeroed */
  const char *name;         /* "data-dir" */
  const char *type;         /* "text list", "text", "UUID list", "boolean", "count", "bytes",
                               "milliseconds", "days" or "choice" */
  const char *default_text; /* as tcsync_config_set would take it */
  const char *choices;      /* for a choice, separated by '|'; otherwise "" */
  const char *environment;  /* the environment variable */
  const char *help;         /* its effect, in whole sentences */
  int64_t minimum;          /* for the numeric types, inclusive */
  int64_t maximum;
  char short_flag; /* the server's one-letter flag, or 0 */
} tcsync_option;

/* The number of options.
 * Threads: any.
 * Ownership: nothing is passed.
 * Errors: 0 when memory runs out at the first call about options. */
TCSYNC_API size_t tcsync_option_count(void);

/* Describes option `index`, from 0 to tcsync_option_count() - 1.
 * Threads: any.
 * Ownership: fills the caller's struct, as much of it as struct_size says.
 * Errors: TCSYNC_INVALID_ARGUMENT for an index or a struct_size out of range. */
TCSYNC_API tcsync_code tcsync_option_info(size_t index, tcsync_option *option,
                                          tcsync_error **error);

/* A configuration with every default.
 * Threads: any.
 * Ownership: *config is the caller's, for tcsync_config_free.
 * Errors: none of its own. */
TCSYNC_API tcsync_code tcsync_config_new(tcsync_config **config, tcsync_error **error);

/* Sets one option from text. A list, whose items are separated by commas, is replaced as a whole.
 * Threads: one.
 * Ownership: borrows name and value for the call.
 * Errors: TCSYNC_UNKNOWN_OPTION, TCSYNC_INVALID_OPTION_VALUE; the configuration is then unchanged. */
TCSYNC_API tcsync_code tcsync_config_set(tcsync_config *config, const char *name, const char *value,
                                         tcsync_error **error);

/* The effective value of one option: the value that was set, or the default, or, for a default of 0,
 * the value derived from the memory budget and the machine. *value is a text that tcsync_config_set
 * accepts; a password in postgres-url is replaced by ***.
 * Threads: one.
 * Ownership: borrows name for the call; *value is the caller's, for tcsync_bytes_free.
 * Errors: TCSYNC_UNKNOWN_OPTION. */
TCSYNC_API tcsync_code tcsync_config_get(const tcsync_config *config, const char *name,
                                         tcsync_bytes **value, tcsync_error **error);

/* Sets every option whose environment variable is set and not empty, in the order of
 * tcsync_option_info. Call this before explicit settings, so that they take precedence.
 * Threads: one; no other thread may change the environment meanwhile.
 * Ownership: nothing is passed.
 * Errors: TCSYNC_INVALID_OPTION_VALUE, naming the variable; those before it are then set. */
TCSYNC_API tcsync_code tcsync_config_set_from_environment(tcsync_config *config,
                                                          tcsync_error **error);

/* The levels of log records. */
enum { TCSYNC_LOG_DEBUG = 0, TCSYNC_LOG_INFO = 1, TCSYNC_LOG_WARNING = 2, TCSYNC_LOG_ERROR = 3 };

/* One log record: a sentence for people, and fields for programs. Its strings are UTF-8 in one line
 * without control characters, NUL-terminated, and borrowed: valid until the record is freed, or until
 * the log function that was given it returns. */
typedef struct tcsync_log_record tcsync_log_record;

/* TCSYNC_LOG_...
 * Threads: any.
 * Ownership: nothing is passed.
 * Errors: -1 for NULL. */
TCSYNC_API int tcsync_log_record_level(const tcsync_log_record *record);

/* The whole record as one line, for a log of text: the message, or the fields and the message, as in
 *   status=429 reason=client-rate endpoint=add-version client=client-1a2b3c4d5e6f: This client ...
 * Threads: any.
 * Ownership: borrowed from the record.
 * Errors: NULL for NULL. */
TCSYNC_API const char *tcsync_log_record_text(const tcsync_log_record *record);

/* The sentence for people alone.
 * Threads: any.
 * Ownership: borrowed from the record.
 * Errors: NULL for NULL. */
TCSYNC_API const char *tcsync_log_record_message(const tcsync_log_record *record);

/* The number of fields.
 * Threads: any.
 * Ownership: nothing is passed.
 * Errors: 0 for NULL. */
TCSYNC_API size_t tcsync_log_record_field_count(const tcsync_log_record *record);

/* Field `index`, from 0 to tcsync_log_record_field_count() - 1. A name consists of lower-case letters
 * and underscores; a value has no space and is not empty. A record has the applicable ones of these
 * fields, in this order; later releases may add more:
 *   status    of HTTP            client    its pseudonym, or its ID with the option log-client-ids
 *   reason    of a refusal       version   a version ID
 *   endpoint  of the protocol    source    the network address that a limit refused
 * Threads: any.
 * Ownership: the pointers in *field are borrowed from the record.
 * Errors: TCSYNC_INVALID_ARGUMENT for an index out of range. */
TCSYNC_API tcsync_code tcsync_log_record_field(const tcsync_log_record *record, size_t index,
                                               tcsync_header *field, tcsync_error **error);

/* The value of the field with that name.
 * Threads: any.
 * Ownership: borrowed from the record.
 * Errors: NULL when there is none, and for NULL arguments. */
TCSYNC_API const char *tcsync_log_record_field_value(const tcsync_log_record *record,
                                                     const char *name);

/* Receives one log record, which it must not free. Called from a thread of the library that does
 * nothing else, one for each tcsync_config_set_log, in the order of the records, and a little after
 * they arose: the calls that write records never wait for it. It must not throw, must not free the
 * engine or listener that it logs for, and must not use that one while it is being freed, when the last
 * records come. Until it returns, up to 1024 records of 1 MiB together wait; further ones are dropped,
 * and a warning in their place gives their number. */
typedef void (*tcsync_log_function)(void *user_data, const tcsync_log_record *record);

/* Sets the destination for the log of engines and listeners that are made from this configuration
 * afterwards, and of calls of tcsync_administer with it. The lowest level is the option "log-level".
 * NULL, the default, is silence. tcsync_engine_free and tcsync_listener_free return when the function
 * has received the records written before, and after the last of them it is no longer called. Their
 * wait is bounded: a single call of the function that takes more than 5 seconds is abandoned, and the
 * records behind it are dropped. tcsync_listener_stop does not wait for the function at all.
 * Threads: one.
 * Ownership: user_data is passed back as it is and must live as long as those engines and listeners,
 *   and until an abandoned call has returned.
 * Errors: none of its own. */
TCSYNC_API tcsync_code tcsync_config_set_log(tcsync_config *config, tcsync_log_function function,
                                             void *user_data, tcsync_error **error);

/* Frees the configuration. Engines and listeners made from it are unaffected.
 * Threads: one.
 * Ownership: takes the configuration.
 * Errors: none. */
TCSYNC_API void tcsync_config_free(tcsync_config *config);

/* ------------------------------------------------------------------------------------------------
 * The engine
 */

/* The data of many clients, open in this process, and the answers to their requests. */
typedef struct tcsync_engine tcsync_engine;

/* Opens the engine over the data directory (option "data-dir"), which is created, for its owner only,
 * when it does not exist, with the directories above it. One engine at a time can have a data directory
 * open. After a failure an existing directory is as it was.
 * Threads: any.
 * Ownership: borrows config for the call; *engine is the caller's, for tcsync_engine_free.
 * Errors: TCSYNC_IN_USE, TCSYNC_WRONG_FORMAT, TCSYNC_SYSTEM, TCSYNC_DATA_LOSS, TCSYNC_UNSUPPORTED;
 *   TCSYNC_INVALID_ARGUMENT for options that cannot be used, or not together; TCSYNC_FORKED also when
 *   the process that this one was forked from has ever called this, or tcsync_administer without an
 *   engine. */
TCSYNC_API tcsync_code tcsync_engine_open(const tcsync_config *config, tcsync_engine **engine,
                                          tcsync_error **error);

/* The value of one option with which the engine was opened, as tcsync_config_get gives it. An
 * operator's later change (of the log level) does not show here.
 * Threads: any.
 * Ownership: borrows name for the call; *value is the caller's, for tcsync_bytes_free.
 * Errors: TCSYNC_UNKNOWN_OPTION, TCSYNC_UNSUPPORTED. */
TCSYNC_API tcsync_code tcsync_engine_option(const tcsync_engine *engine, const char *name,
                                            tcsync_bytes **value, tcsync_error **error);

/* Waits for the requests that were begun, cancels jobs of tcsync_administer, and closes. Blocks until
 * they end, and until the callbacks of tcsync_engine_handle_async have returned, except one that calls
 * this itself. Answers for queues are in their queues afterwards. A tcsync_pending that was not
 * finished has no effect. It may be freed later, as may responses; a call on them that needs the engine
 * gives TCSYNC_UNAVAILABLE, or a detail of it.
 * Threads: one; no call on the engine may be running, except a tcsync_engine_handle_async whose
 *   callback calls this, and its listeners must have been stopped.
 * Ownership: takes the engine.
 * Errors: none. */
TCSYNC_API void tcsync_engine_free(tcsync_engine *engine);

/* ------------------------------------------------------------------------------------------------
 * Requests without sockets: for programs that have an HTTP server of their own
 */

/* One HTTP request, as a server received it. Zero the struct and set struct_size first. Its texts have
 * lengths, and need no NUL. */
typedef struct tcsync_request {
  size_t struct_size;
  const char *method; /* "GET" */
  size_t method_size;
  const char *target; /* the path, as in the request line: "/v1/client/snapshot" */
  size_t target_size;
  const tcsync_header *headers; /* names in any case; order and repetition as received */
  size_t header_count;
  const char *body; /* as received; a Content-Encoding that is named in the headers is undone */
  size_t body_size;
  /* The IP address from which the request came, without a port: "192.0.2.7", "2001:db8::7"; behind a
   * proxy, the proxy's. Limits by address use it. NULL and 0 when it is not known. */
  const char *peer_address;
  size_t peer_address_size;
} tcsync_request;

/* The answer to one request. */
typedef struct tcsync_response tcsync_response;

/* Answers one request. Any HTTP answer, also a 4xx or 5xx, is TCSYNC_OK: it is in *response. Blocks
 * until the answer is decided, for add-version and add-snapshot until it is durable. Until the response
 * is freed, its body counts towards the option "bodies-in-flight-bytes-max", except a body of more than
 * 128 KiB: the listener sends those in pieces, but here the whole body, of up to 100 MiB, is in the
 * response, in memory outside the budget.
 * Threads: any.
 * Ownership: borrows request for the call; *response is the caller's, for tcsync_response_free.
 * Errors: TCSYNC_INVALID_ARGUMENT for a peer_address that is none. */
TCSYNC_API tcsync_code tcsync_engine_handle(tcsync_engine *engine, const tcsync_request *request,
                                            tcsync_response **response, tcsync_error **error);

/* Receives the answer to one request. It must not throw. `response` is NULL only when memory ran out.
 * Threads: called exactly once: on a thread of the engine for these calls alone, one after the other,
 *   so that one that takes long delays the other callbacks and nothing else; or, before
 *   tcsync_engine_handle_async returns, on the caller's.
 * Ownership: `response` is the callback's, for tcsync_response_free. */
typedef void (*tcsync_response_function)(void *user_data, tcsync_response *response);

/* Like tcsync_engine_handle, without waiting for the answer. A request body of more than 128 KiB is
 * written to the disk in pieces before this returns. When this fails, the callback is not called.
 * Threads: any.
 * Ownership: borrows request for the call; user_data is passed back as it is.
 * Errors: as for tcsync_engine_handle, and TCSYNC_SYSTEM when no thread can be started. */
TCSYNC_API tcsync_code tcsync_engine_handle_async(tcsync_engine *engine,
                                                  const tcsync_request *request,
                                                  tcsync_response_function function,
                                                  void *user_data, tcsync_error **error);

/* Answers one administration request: docs/administration.md lists them. A caller can do everything
 * with the data, so never pass a stranger's request. With an `engine` the request is about its storage.
 * With NULL it is about no open storage: the list of the backups in a directory, and restoring one to
 * the "data-dir" of `config`; others are answered with 409. Any HTTP answer is TCSYNC_OK, as with
 * tcsync_engine_handle. Blocks until the answer is ready, which may take long for a restore; with an
 * engine, long work is a job, and later requests ask for its progress.
 * Threads: any.
 * Ownership: borrows config (it may be NULL with an engine) and request for the call; *response is the
 *   caller's, for tcsync_response_free.
 * Errors: as for tcsync_engine_handle, and TCSYNC_UNSUPPORTED; without an engine TCSYNC_FORKED as for
 *   tcsync_engine_open. */
TCSYNC_API tcsync_code tcsync_administer(const tcsync_config *config, tcsync_engine *engine,
                                         const tcsync_request *request, tcsync_response **response,
                                         tcsync_error **error);

/* Answers one request for monitoring: GET /metrics, /health and /health/live, as docs/metrics.md
 * describes them, for programs without a listener of the library. The metrics are for the operator
 * alone: never pass a stranger's request. Any HTTP answer is TCSYNC_OK, as with tcsync_engine_handle.
 * Blocks for up to 3 seconds, also when the disk is stuck.
 * Threads: any.
 * Ownership: borrows request for the call; *response is the caller's, for tcsync_response_free.
 * Errors: as for tcsync_engine_handle, and TCSYNC_UNSUPPORTED. */
TCSYNC_API tcsync_code tcsync_monitor(tcsync_engine *engine, const tcsync_request *request,
                                      tcsync_response **response, tcsync_error **error);

/* The HTTP status, such as 200.
 * Threads: any.
 * Ownership: nothing is passed.
 * Errors: 0 for NULL. */
TCSYNC_API int tcsync_response_status(const tcsync_response *response);

/* The number of header fields.
 * Threads: any.
 * Ownership: nothing is passed.
 * Errors: 0 for NULL. */
TCSYNC_API size_t tcsync_response_header_count(const tcsync_response *response);

/* Header `index`, from 0 to tcsync_response_header_count() - 1; name and value are NUL-terminated.
 * Content-Length, Date and Connection are not among them: the sender adds them.
 * Threads: any.
 * Ownership: the pointers in *header are borrowed from the response, valid until it is freed.
 * Errors: TCSYNC_INVALID_ARGUMENT for an index out of range. */
TCSYNC_API tcsync_code tcsync_response_header(const tcsync_response *response, size_t index,
                                              tcsync_header *header, tcsync_error **error);

/* The value of the first header with that name, in any case, NUL-terminated.
 * Threads: any.
 * Ownership: borrowed from the response, valid until it is freed.
 * Errors: NULL when there is none, and for NULL arguments. */
TCSYNC_API const char *tcsync_response_header_value(const tcsync_response *response,
                                                    const char *name);

/* The body; *size, if given, becomes its length. A NUL follows and is not counted. NULL only if
 * `response` is, or if the body comes in pieces, as a body of more than 128 KiB from
 * tcsync_engine_begin, tcsync_pending_finish and the calls with a queue does: tcsync_response_read
 * reads any body. The answer to a HEAD has the body of a GET, for its length; do not send it.
 * Threads: any.
 * Ownership: borrowed from the response, valid until it is freed.
 * Errors: NULL and size 0 for a NULL response, and for a body in pieces. */
TCSYNC_API const char *tcsync_response_body(const tcsync_response *response, size_t *size);

/* Frees the response.
 * Threads: one.
 * Ownership: takes the response.
 * Errors: none. */
TCSYNC_API void tcsync_response_free(tcsync_response *response);

/* ------------------------------------------------------------------------------------------------
 * Queues: answers and log records for the host's own threads and event loops
 *
 * A call with a queue does not wait for its result. If it succeeds, exactly one event with its
 * user_data enters the queue, even if other handles are freed meanwhile; if it fails, none. A host
 * takes the events with tcsync_queue_next, from a thread that waits in it or when poll() reports the
 * descriptor as readable. No code of the host runs on the library's threads.
 */

/* Events that wait for the host to take them. */
typedef struct tcsync_queue tcsync_queue;

/* The kinds of events. A host ignores unknown ones, and frees what is in them. */
enum {
  /* No event came within the time. */
  TCSYNC_EVENT_NONE = 0,
  /* The answer to a request, in `response`; or `code` is TCSYNC_OUT_OF_MEMORY, without an answer. */
  TCSYNC_EVENT_RESPONSE = 1,
  /* The next piece of a body, in `bytes`, which is NULL at the end; or `code` gives the reason for its
   * absence, as for tcsync_response_read. */
  TCSYNC_EVENT_PIECE = 2,
  /* A pending request accepts more of its body; or `code` is TCSYNC_UNAVAILABLE when the request or the
   * engine was freed, or TCSYNC_OUT_OF_MEMORY, and then it accepts nothing more. */
  TCSYNC_EVENT_READY = 3,
  /* A log record, in `record`. */
  TCSYNC_EVENT_LOG = 4,
  /* Log records were dropped at this place, as many as `dropped`, because 1024 or 1 MiB of them were
   * waiting, or memory ran out. */
  TCSYNC_EVENT_LOG_DROPPED = 5,
  /* tcsync_queue_wake was called. */
  TCSYNC_EVENT_WAKE = 6
};

/* An event, as tcsync_queue_next fills it. The handles in it belong to the host before the next call
 * with the same struct, which overwrites them. */
typedef struct tcsync_event {
  size_t struct_size;        /* filled by the caller */
  int32_t kind;              /* TCSYNC_EVENT_... */
  tcsync_code code;          /* TCSYNC_OK, or the reason why the ended call has no result */
  void *user_data;           /* of that call; otherwise NULL */
  int64_t dropped;           /* log records */
  tcsync_response *response; /* the caller's, for tcsync_response_free; or NULL */
  tcsync_bytes *bytes;       /* the caller's, for tcsync_bytes_free; or NULL */
  tcsync_log_record *record; /* the caller's, for tcsync_log_record_free; or NULL */
} tcsync_event;

/* Makes a queue without events.
 * Threads: any.
 * Ownership: *queue is the caller's, for tcsync_queue_free.
 * Errors: TCSYNC_SYSTEM when no descriptor can be had. */
TCSYNC_API tcsync_code tcsync_queue_new(tcsync_queue **queue, tcsync_error **error);

/* A descriptor that is readable exactly while an event waits, for poll(), epoll or kqueue. It is
 * close-on-exec and never blocks. Do not read from it: an event loop that can only read needs a thread
 * that waits in tcsync_queue_next instead. In a forked process it is still the parent's.
 * Threads: any.
 * Ownership: the queue's; valid until it is freed.
 * Errors: -1 for NULL. */
TCSYNC_API int tcsync_queue_descriptor(const tcsync_queue *queue);

/* Takes the next event, in the order of their arrival. Waits for one up to `timeout_ms` milliseconds: 0
 * does not wait, and -1 waits without a limit. Without an event, the kind is TCSYNC_EVENT_NONE, which
 * is no error.
 * Threads: any; each event goes to one of those that wait.
 * Ownership: fills the caller's struct, which need not be zeroed; response, bytes and record in it are
 *   then the caller's.
 * Errors: TCSYNC_INVALID_ARGUMENT for another negative timeout_ms, and for a struct_size of less than
 *   sizeof(tcsync_event). No event is taken by a call that fails. */
TCSYNC_API tcsync_code tcsync_queue_next(tcsync_queue *queue, int64_t timeout_ms,
                                         tcsync_event *event, tcsync_error **error);

/* Makes one tcsync_queue_next, the one that waits or the next one, return TCSYNC_EVENT_WAKE, before
 * other events. Not for signal handlers.
 * Threads: any.
 * Ownership: nothing is passed.
 * Errors: none. */
TCSYNC_API void tcsync_queue_wake(tcsync_queue *queue);

/* Frees the queue and its events. Later events are dropped when they arrive, and their responses freed;
 * the requests take effect all the same. An engine or listener that logged to the queue then discards
 * its log.
 * Threads: one; no call on the queue may be running.
 * Ownership: takes the queue.
 * Errors: none. */
TCSYNC_API void tcsync_queue_free(tcsync_queue *queue);

/* Like tcsync_config_set_log, with the records as events TCSYNC_EVENT_LOG, whose user_data is NULL.
 * Replaces a function that was set, as a function replaces a queue. A NULL queue is silence. Records
 * stay in the queue after the engine and the listener were freed. A forked process replaces a queue of
 * its parent before it uses the configuration: until then its calls with it give TCSYNC_FORKED.
 * Threads: one.
 * Ownership: borrows the queue for the call; the queue may be freed before its engines and listeners.
 * Errors: none of its own. */
TCSYNC_API tcsync_code tcsync_config_set_log_queue(tcsync_config *config, tcsync_queue *queue,
                                                   tcsync_error **error);

/* Frees a record that came out of a queue; never one that a log function received.
 * Threads: one.
 * Ownership: takes the record.
 * Errors: none. */
TCSYNC_API void tcsync_log_record_free(tcsync_log_record *record);

/* Like tcsync_engine_handle, without waiting for the answer, which comes as TCSYNC_EVENT_RESPONSE, and
 * whose body may come in pieces (tcsync_response_read). A request body of more than 128 KiB is written
 * to the disk in pieces before this returns: tcsync_engine_begin is for those.
 * Threads: any.
 * Ownership: borrows request and queue for the call; user_data is passed back as it is.
 * Errors: as for tcsync_engine_handle. */
TCSYNC_API tcsync_code tcsync_engine_handle_queued(tcsync_engine *engine,
                                                   const tcsync_request *request,
                                                   tcsync_queue *queue, void *user_data,
                                                   tcsync_error **error);

/* ------------------------------------------------------------------------------------------------
 * Requests and responses piece by piece: bodies that are never whole in memory
 *
 * A host begins a request with its head, appends the body as it arrives, and finishes it; a large body
 * of an answer is read while it is sent. That way a transfer takes less than half a MiB of the option
 * "bodies-in-flight-bytes-max", at any size. Otherwise the host has whole bodies in memory, outside the
 * engine's budget.
 */

/* A request whose body is still to come. */
typedef struct tcsync_pending tcsync_pending;

/* Begins a request with its head. If the head is enough for an answer, such as a refusal, *response is
 * that answer and *pending is NULL; the host may then read and drop the body, or close the connection
 * after the answer. (A socket that is closed with unread bytes resets the connection, and the client
 * may lose the answer.) Otherwise *pending takes the body and *response is NULL. All requests may be
 * begun, also those without a body. With a Content-Length and without a Transfer-Encoding, a POST whose
 * body has another length is answered with 400.
 * Threads: any.
 * Ownership: borrows request for the call, whose body must be empty; *pending is the caller's, for
 *   tcsync_pending_free, and *response for tcsync_response_free.
 * Errors: as for tcsync_engine_handle, and TCSYNC_INVALID_ARGUMENT for a request with a body. */
TCSYNC_API tcsync_code tcsync_engine_begin(tcsync_engine *engine, const tcsync_request *request,
                                           tcsync_pending **pending, tcsync_response **response,
                                           tcsync_error **error);

/* Appends the next bytes of the body, as received (compressed, if they are), and waits until the engine
 * wants more of it, which a slow disk delays. `size` may be 0. A *response that is not NULL, such as
 * 413 or a conflict, is the answer; the request then accepts nothing more.
 * Threads: one.
 * Ownership: borrows data for the call; *response is the caller's, for tcsync_response_free.
 * Errors: TCSYNC_INVALID_ARGUMENT after an answer, after tcsync_pending_finish, and before the event of
 *   tcsync_pending_append_queued; TCSYNC_UNAVAILABLE when the engine was freed; TCSYNC_OUT_OF_MEMORY,
 *   after which the request takes nothing more. */
TCSYNC_API tcsync_code tcsync_pending_append(tcsync_pending *pending, const char *data, size_t size,
                                             tcsync_response **response, tcsync_error **error);

/* The same without waiting: the event is TCSYNC_EVENT_READY when the engine wants more of the body, or
 * TCSYNC_EVENT_RESPONSE with the answer. Bytes that cannot be used at once are copied: append at most
 * 64 KiB at a time. A longer append counts towards the budget as a whole, and is answered with 503 when
 * there is no room.
 * Threads: one.
 * Ownership: borrows data and queue for the call; user_data is passed back as it is.
 * Errors: as for tcsync_pending_append, and TCSYNC_SYSTEM when no thread can be started. */
TCSYNC_API tcsync_code tcsync_pending_append_queued(tcsync_pending *pending, const char *data,
                                                    size_t size, tcsync_queue *queue,
                                                    void *user_data, tcsync_error **error);

/* Ends the body, executes the request, and waits for the answer, as tcsync_engine_handle does. Never
 * call it for a truncated body: that would be stored.
 * Threads: one.
 * Ownership: *response is the caller's, for tcsync_response_free. The pending request has still to be
 *   freed.
 * Errors: as for tcsync_pending_append. After TCSYNC_OUT_OF_MEMORY the request may have happened. */
TCSYNC_API tcsync_code tcsync_pending_finish(tcsync_pending *pending, tcsync_response **response,
                                             tcsync_error **error);

/* The same without waiting: the event is TCSYNC_EVENT_RESPONSE.
 * Threads: one.
 * Ownership: borrows queue for the call; user_data is passed back as it is. The pending request may be
 *   freed before the answer comes.
 * Errors: as for tcsync_pending_append. */
TCSYNC_API tcsync_code tcsync_pending_finish_queued(tcsync_pending *pending, tcsync_queue *queue,
                                                    void *user_data, tcsync_error **error);

/* Frees the request. Unless it was finished, nothing of it is stored, and its share of the budget is
 * returned. The event of an unfinished tcsync_pending_append_queued has the code TCSYNC_UNAVAILABLE.
 * Threads: one.
 * Ownership: takes the request.
 * Errors: none. */
TCSYNC_API void tcsync_pending_free(tcsync_pending *pending);

/* The length of the body in bytes, for the Content-Length, also of one that comes in pieces.
 * Threads: any.
 * Ownership: nothing is passed.
 * Errors: 0 for NULL. */
TCSYNC_API int64_t tcsync_response_body_size(const tcsync_response *response);

/* Reads the next piece of the body, from its beginning: at most 128 KiB, and NULL at the end. Waits for
 * the disk. It works for every response.
 * Threads: one.
 * Ownership: *bytes is the caller's, for tcsync_bytes_free.
 * Errors: TCSYNC_RESPONSE_INCOMPLETE, and TCSYNC_OUT_OF_MEMORY for a body that is in pieces: it cannot
 *   be completed, and the host must close the connection, or the client would wait for the rest.
 *   TCSYNC_INVALID_ARGUMENT before the event of tcsync_response_read_queued. */
TCSYNC_API tcsync_code tcsync_response_read(tcsync_response *response, tcsync_bytes **bytes,
                                            tcsync_error **error);

/* The same without waiting: the event is TCSYNC_EVENT_PIECE.
 * Threads: one.
 * Ownership: borrows queue for the call; user_data is passed back as it is. The response may be freed
 *   before the piece comes.
 * Errors: as for tcsync_response_read. */
TCSYNC_API tcsync_code tcsync_response_read_queued(tcsync_response *response, tcsync_queue *queue,
                                                   void *user_data, tcsync_error **error);

/* ------------------------------------------------------------------------------------------------
 * The listener: serves an engine to the network
 */

/* Bound addresses, and the connections to them. */
typedef struct tcsync_listener tcsync_listener;

/* Binds every address of the options "listen" and "metrics-listen", with the certificate of
 * "tls-cert" and "tls-key", if there is one, for the former. Binding before the engine is opened
 * lets a program learn that an address is in use before its data directory is touched; connections
 * that arrive before tcsync_listener_serve wait.
 * Threads: any.
 * Ownership: borrows config for the call; *listener is the caller's, for tcsync_listener_free.
 * Errors: TCSYNC_INVALID_ADDRESS, also for an item of "trusted-proxy" that is none; TCSYNC_IN_USE,
 *   TCSYNC_UNSUPPORTED, and TCSYNC_SYSTEM, also for a certificate or key that cannot be used; nothing
 *   is then bound. */
TCSYNC_API tcsync_code tcsync_listener_bind(const tcsync_config *config, tcsync_listener **listener,
                                            tcsync_error **error);

/* The number of bound addresses: first those of "listen", then those of "metrics-listen".
 * Threads: any.
 * Ownership: nothing is passed.
 * Errors: 0 for NULL. */
TCSYNC_API size_t tcsync_listener_address_count(const tcsync_listener *listener);

/* Bound address `index` as a URL, with the port that was picked for port 0, such as
 * "http://127.0.0.1:8080", with TLS "https://127.0.0.1:8080", or "unix:/run/tcsync.sock".
 * Threads: any.
 * Ownership: borrowed from the listener, valid until it is freed.
 * Errors: NULL for NULL and for an index out of range. */
TCSYNC_API const char *tcsync_listener_address(const tcsync_listener *listener, size_t index);

/* Starts to serve, on threads of the library, logs every address, and returns. Call it once. With the
 * option "admin-socket" and a data directory, it also accepts administration requests at admin.sock in
 * that directory.
 * Threads: one.
 * Ownership: the engine is borrowed until tcsync_listener_stop or tcsync_listener_free has returned.
 * Errors: TCSYNC_INVALID_ARGUMENT when called twice or after a stop; TCSYNC_SYSTEM when no thread can
 *   be started: the listener is then stopped. */
TCSYNC_API tcsync_code tcsync_listener_serve(tcsync_listener *listener, tcsync_engine *engine,
                                             tcsync_error **error);

/* Stops accepting, lets the requests in flight finish for up to the option "shutdown-timeout", then
 * closes the rest, and returns. A call during another one waits for its end; later ones do nothing, and
 * neither do those of a process that was forked after the binding.
 * Threads: any.
 * Ownership: nothing is passed.
 * Errors: none. */
TCSYNC_API void tcsync_listener_stop(tcsync_listener *listener);

/* Frees the listener and removes the Unix sockets that it made. Without a tcsync_listener_stop before,
 * it closes all connections at once.
 * Threads: one.
 * Ownership: takes the listener.
 * Errors: none. */
TCSYNC_API void tcsync_listener_free(tcsync_listener *listener);

/* ------------------------------------------------------------------------------------------------
 * Credentials and sealing: for replicas; servers cannot unseal
 */

/* Generates a client ID (a random UUID, 36 characters) and a secret (32 random bytes as 64 hexadecimal
 * digits) for a new client.
 * Threads: any.
 * Ownership: *client_id and *secret are the caller's, for tcsync_bytes_free, which wipes them.
 * Errors: none of its own. */
TCSYNC_API tcsync_code tcsync_credentials_generate(tcsync_bytes **client_id, tcsync_bytes **secret,
                                                   tcsync_error **error);

/* The key that seals a client's bytes. */
typedef struct tcsync_key tcsync_key;

/* Derives the key from a client's credentials (PBKDF2-HMAC-SHA256, 600,000 iterations). Takes a good
 * part of a second of processor time on purpose: keep the key.
 * Threads: any.
 * Ownership: borrows client_id and secret for the call; *key is the caller's, for tcsync_key_free.
 * Errors: TCSYNC_INVALID_UUID, TCSYNC_INVALID_ARGUMENT for an empty secret. */
TCSYNC_API tcsync_code tcsync_key_derive(const char *client_id, const char *secret,
                                         size_t secret_size, tcsync_key **key,
                                         tcsync_error **error);

/* Wipes the key and frees it.
 * Threads: one.
 * Ownership: takes the key.
 * Errors: none. */
TCSYNC_API void tcsync_key_free(tcsync_key *key);

/* Seals a history segment or a snapshot, of 0 to 274,877,906,880 bytes; replicas seal none of length 0.
 * `version_id` is authenticated with it: for a history segment it is the PARENT's version ID, for a
 * snapshot its own.
 * Threads: any.
 * Ownership: borrows the inputs for the call; *sealed is the caller's, for tcsync_bytes_free.
 * Errors: TCSYNC_INVALID_UUID, TCSYNC_INVALID_ARGUMENT for a plaintext that is too long. */
TCSYNC_API tcsync_code tcsync_seal(const tcsync_key *key, const char *version_id,
                                   const char *plaintext, size_t plaintext_size,
                                   tcsync_bytes **sealed, tcsync_error **error);

/* Unseals bytes that tcsync_seal, or a replica, sealed. `version_id` is as for tcsync_seal.
 * Threads: any.
 * Ownership: borrows the inputs for the call; *plaintext is the caller's, for tcsync_bytes_free.
 * Errors: TCSYNC_UNSEAL_TRUNCATED, TCSYNC_UNSEAL_UNKNOWN_FORMAT, TCSYNC_UNSEAL_WRONG_KEY,
 *   TCSYNC_UNSEAL_NOT_AUTHENTIC, TCSYNC_INVALID_UUID. */
TCSYNC_API tcsync_code tcsync_unseal(const tcsync_key *key, const char *version_id,
                                     const char *sealed, size_t sealed_size,
                                     tcsync_bytes **plaintext, tcsync_error **error);

/* ------------------------------------------------------------------------------------------------
 * A sync server elsewhere, as replicas and their tools talk to it
 *
 * Each call is one or a few requests over HTTP/1.1, sealed and unsealed on this side. The answers that
 * the protocol provides for are results, in *outcome: a conflict is no error. Everything else is
 * TCSYNC_REMOTE_FAILED with a detail, and a message that names the fault, the value and the remedy; or,
 * for every call that waits, TCSYNC_CANCELLED, TCSYNC_SYSTEM when this computer has no further
 * descriptor or thread, and TCSYNC_INVALID_ARGUMENT for a call during another one.
 *
 * With https the server's certificate is always verified, against the authorities that the system
 * trusts (docs/c-abi.md tells where the library looks for them) and those of `ca_file`; nothing turns
 * that off. Redirects are not followed: TCSYNC_REMOTE_REDIRECTED gives their target.
 */

/* One client at one sync server. Keeps its connection open between calls while the server does. A
 * forked process can use it as well, over a connection of its own. */
typedef struct tcsync_remote tcsync_remote;

/* How to call a sync server. Zero the struct and set struct_size first. */
typedef struct tcsync_remote_options {
  size_t struct_size;
  const char *ca_file; /* PEM file with further certificate authorities; NULL: the system's only */
  const char *proxy;   /* the URL of an HTTP proxy, "http://[user:password@]host[:port]"; "": none;
                          NULL: as the environment says: https_proxy or HTTPS_PROXY for https,
                          http_proxy for http, and no_proxy or NO_PROXY for the exceptions */
  int64_t connect_timeout_ms; /* name lookup, connection, proxy and TLS together, up to 86,400,000;
                                 0: 10 seconds */
  int64_t timeout_ms;         /* a whole call, from name lookup to the last byte, up to 86,400,000;
                                 0: 60 seconds */
  int64_t response_bytes_max; /* the longest body that is taken from the server; 0: 100 MiB */
} tcsync_remote_options;

/* Prepares calls to the sync server at `url`: http or https, a host, and optionally a port and a base
 * path; the same URL that replicas are configured with. Does not connect. The environment and `ca_file`
 * are read now.
 *
 * `key` may be NULL: then only tcsync_remote_probe and tcsync_remote_await_version work. `client_id`
 * may be NULL as well, with a NULL key: then only the probe works, and tells whether there is a sync
 * server.
 * Threads: any; no other thread may change the environment meanwhile.
 * Ownership: borrows url, client_id and options (NULL: all defaults) for the call, and key until
 *   tcsync_remote_free; *remote is the caller's, for tcsync_remote_free.
 * Errors: TCSYNC_INVALID_ADDRESS for a url or a proxy that cannot be used, TCSYNC_INVALID_UUID,
 *   TCSYNC_INVALID_OPTION_VALUE for a ca_file without certificates or a number out of range,
 *   TCSYNC_SYSTEM. A key needs a client_id: TCSYNC_NULL_ARGUMENT. */
TCSYNC_API tcsync_code tcsync_remote_open(const char *url, const char *client_id,
                                          const tcsync_key *key,
                                          const tcsync_remote_options *options,
                                          tcsync_remote **remote, tcsync_error **error);

/* Cancels: the running call on the remote returns TCSYNC_CANCELLED at once, in its name lookup,
 * connecting, sending, waiting or receiving, and so does every later one, until tcsync_remote_resume.
 * So a cancel just before a call is not lost. A call that has its answer already may still succeed. It
 * is unknown whether a cancelled tcsync_remote_add_version or _add_snapshot was carried out. The name
 * lookup of the system cannot be interrupted: the call returns, and a thread waits for its end.
 * Threads: any, and any signal handler, until tcsync_remote_free is called.
 * Ownership: nothing is passed.
 * Errors: none; nothing happens for NULL. */
TCSYNC_API void tcsync_remote_cancel(tcsync_remote *remote);

/* Ends the effect of tcsync_remote_cancel: later calls run again, over a new connection. Without a
 * cancel before it, it does nothing. After a cancel, call this once the cancelled call has returned,
 * and before the next one.
 * Threads: any, and any signal handler, until tcsync_remote_free is called.
 * Ownership: nothing is passed.
 * Errors: none; nothing happens for NULL. */
TCSYNC_API void tcsync_remote_resume(tcsync_remote *remote);

/* Closes the connection and frees the remote. No call on it may be running: cancel it, and wait until
 * it has returned.
 * Threads: one.
 * Ownership: takes the remote; the key stays the caller's.
 * Errors: none. */
TCSYNC_API void tcsync_remote_free(tcsync_remote *remote);

/* The kinds of servers that a URL can lead to. */
enum {
  /* A sync server that keeps a history for this client. */
  TCSYNC_PROBE_HISTORY = 1,
  /* A sync server without a history for this client ID: a new client, or a mistyped client ID. */
  TCSYNC_PROBE_EMPTY_HISTORY = 2,
  /* A sync server that does not admit this client ID (403). */
  TCSYNC_PROBE_NOT_ALLOWED = 3,
  /* A sync server; the remote was opened without a client ID, so nothing more is known. */
  TCSYNC_PROBE_SYNC_SERVER = 4,
  /* Another program answers, or the path in the URL is wrong. */
  TCSYNC_PROBE_NOT_SYNC_SERVER = 5
};

/* The findings of tcsync_remote_probe. Set struct_size before the call; the rest need not be zeroed. */
typedef struct tcsync_probe {
  size_t struct_size;
  int32_t kind;         /* TCSYNC_PROBE_... */
  int32_t http_status;  /* of the page at the URL itself, such as 200 */
  int32_t uses_tls;     /* 1 if the connection is encrypted and the certificate was verified */
  int32_t has_snapshot; /* 1 if there is a snapshot for this client ID */
  int32_t has_versions; /* 1 if there are versions for this client ID */
  int32_t reserved;     /* 0 */
  int64_t server_time;  /* the server's clock (its Date header), seconds since 1970; 0: not told.
                           Compare it with the time of this computer right after the call */
  int64_t certificate_expires; /* seconds since 1970; 0 without TLS */
  char server_name[128]; /* the first line of the page at the URL, which names the server and its
                            release, as one line of UTF-8 that may be cut; "" if there is none */
} tcsync_probe;

/* Finds out which server answers at the URL, without changing anything there. Needs no key, and
 * downloads neither versions nor snapshots. An answer from another kind of server is a result
 * (probe->kind), and so is a client ID that is not allowed; a server that is unreachable, overloaded or
 * broken is an error.
 * Threads: one.
 * Ownership: fills the caller's struct, as much of it as struct_size says.
 * Errors: TCSYNC_REMOTE_FAILED with its details. */
TCSYNC_API tcsync_code tcsync_remote_probe(tcsync_remote *remote, tcsync_probe *probe,
                                           tcsync_error **error);

/* The outcome of a call in the terms of the protocol. 0 when the call failed. */
enum {
  /* Found: its ID is in *version_id, and its bytes, unsealed, in *plaintext. */
  TCSYNC_OUTCOME_FOUND = 1,
  /* There is no version after the parent: the replica is up to date; or the server has no versions of
   * this client. A program that is no sync server answers the same (404): see tcsync_remote_probe. */
  TCSYNC_OUTCOME_UP_TO_DATE = 2,
  /* The parent is not in the server's history: it was removed after a snapshot, or belongs to another
   * history. */
  TCSYNC_OUTCOME_GONE = 3,
  /* The version was added, durably: its ID is in *version_id. */
  TCSYNC_OUTCOME_ADDED = 4,
  /* Not added, because the parent is not the latest version, whose ID is in *version_id: get the
   * versions after the parent first, then try again. */
  TCSYNC_OUTCOME_CONFLICT = 5,
  /* There is no snapshot. */
  TCSYNC_OUTCOME_NO_SNAPSHOT = 6,
  /* There is no version after the parent, and the server answered at once, because it does not let
   * requests wait: ask it now and then. */
  TCSYNC_OUTCOME_NO_WAITS = 7
};

/* How much the server wants a snapshot. */
enum {
  TCSYNC_SNAPSHOT_URGENCY_NONE = 0,
  TCSYNC_SNAPSHOT_URGENCY_LOW = 1,
  TCSYNC_SNAPSHOT_URGENCY_HIGH = 2
};

/* Gets the version that follows `parent_version_id` and unseals its history segment.
 * *outcome is TCSYNC_OUTCOME_FOUND, _UP_TO_DATE or _GONE; version_id->text is "" and *plaintext
 * NULL unless it was found.
 * Threads: one.
 * Ownership: borrows parent_version_id for the call; *plaintext is the caller's, for
 *   tcsync_bytes_free, which wipes it.
 * Errors: TCSYNC_REMOTE_FAILED with its details; TCSYNC_UNSEAL_FAILED with its details, and then
 *   *version_id tells which version it was; TCSYNC_INVALID_UUID; TCSYNC_INVALID_ARGUMENT for a
 *   remote without a key. */
TCSYNC_API tcsync_code tcsync_remote_get_child_version(tcsync_remote *remote,
                                                       const char *parent_version_id,
                                                       int32_t *outcome, tcsync_uuid *version_id,
                                                       tcsync_bytes **plaintext,
                                                       tcsync_error **error);

/* Waits until the server has a version after `parent_version_id`, without downloading it: for a program
 * that syncs when another computer has sent something. `wait_seconds` is from 0, which only looks, to
 * 3600, beside the remote's timeout_ms; proxies on the way may end a wait of more than 50 seconds.
 * *outcome is TCSYNC_OUTCOME_FOUND, with the version in *version_id; _UP_TO_DATE, after the wait or
 * earlier, because a server may end it at any time, also by closing the connection
 * (TCSYNC_REMOTE_NETWORK_FAILED): ask again, but after an early end not at once; _NO_WAITS, from a
 * server without this extension of the protocol (docs/protocol.md, "Waiting for the next version"); or
 * _GONE. Needs no key.
 * Threads: one; tcsync_remote_cancel ends it from any other.
 * Ownership: borrows parent_version_id for the call.
 * Errors: TCSYNC_REMOTE_FAILED with its details; TCSYNC_INVALID_UUID; TCSYNC_INVALID_ARGUMENT for a
 *   wait out of range, or a remote without a client ID. */
TCSYNC_API tcsync_code tcsync_remote_await_version(tcsync_remote *remote,
                                                   const char *parent_version_id,
                                                   int64_t wait_seconds, int32_t *outcome,
                                                   tcsync_uuid *version_id, tcsync_error **error);

/* Seals a history segment and adds it after `parent_version_id`, which is the nil UUID for the first
 * version of a client. *outcome is TCSYNC_OUTCOME_ADDED or _CONFLICT. After TCSYNC_INVALID_ARGUMENT and
 * its details nothing was sent. After any other error a program cannot tell whether the version was
 * added, though the message may tell a person: get the child of `parent_version_id`.
 * Threads: one.
 * Ownership: borrows the inputs for the call; *snapshot_urgency becomes TCSYNC_SNAPSHOT_URGENCY_...
 * Errors: TCSYNC_REMOTE_FAILED with its details; TCSYNC_INVALID_UUID; TCSYNC_INVALID_ARGUMENT for a
 *   remote without a key or a plaintext of length 0. */
TCSYNC_API tcsync_code tcsync_remote_add_version(tcsync_remote *remote,
                                                 const char *parent_version_id,
                                                 const char *plaintext, size_t plaintext_size,
                                                 int32_t *outcome, tcsync_uuid *version_id,
                                                 int32_t *snapshot_urgency, tcsync_error **error);

/* Gets the latest snapshot and unseals it. *outcome is TCSYNC_OUTCOME_FOUND, and *version_id the
 * version whose state it is, or TCSYNC_OUTCOME_NO_SNAPSHOT.
 * Threads: one.
 * Ownership: *plaintext is the caller's, for tcsync_bytes_free, which wipes it.
 * Errors: as for tcsync_remote_get_child_version. */
TCSYNC_API tcsync_code tcsync_remote_get_snapshot(tcsync_remote *remote, int32_t *outcome,
                                                  tcsync_uuid *version_id, tcsync_bytes **plaintext,
                                                  tcsync_error **error);

/* Seals a snapshot of the state at `version_id` and offers it to the server, which may decline it: that
 * is no error and looks the same. It may be offered again after an error.
 * Threads: one.
 * Ownership: borrows the inputs for the call.
 * Errors: TCSYNC_REMOTE_FAILED with its details; TCSYNC_INVALID_UUID; TCSYNC_INVALID_ARGUMENT for a
 *   remote without a key or a plaintext of length 0. */
TCSYNC_API tcsync_code tcsync_remote_add_snapshot(tcsync_remote *remote, const char *version_id,
                                                  const char *plaintext, size_t plaintext_size,
                                                  tcsync_error **error);

/* ------------------------------------------------------------------------------------------------
 * A replica: one computer's copy of a client's tasks, in the database that Taskwarrior 3 uses
 *
 * A task is a map from properties to values, both UTF-8 text of any length. Every change is an
 * operation; those that no sync has sent yet are pending. Other programs, Taskwarrior among them, may
 * use the same database at the same time: each call is one transaction or a few short ones, and a sync
 * holds none during a request. After a crash or a loss of power the database has all of a call's
 * changes or none; after one in a sync it has those of the steps that were complete. docs/replica.md
 * has the rules.
 *
 * Every call on a replica can give, besides the codes of its own: TCSYNC_IN_USE when another program
 * holds the database for longer than busy_timeout_ms, TCSYNC_WRONG_FORMAT, TCSYNC_DATA_LOSS,
 * TCSYNC_SYSTEM for a full disk or missing permissions, and TCSYNC_INVALID_ARGUMENT during another call
 * on the same replica.
 */

/* An open replica. */
typedef struct tcsync_replica tcsync_replica;

/* How to open a replica. Zero the struct and set struct_size first. */
typedef struct tcsync_replica_options {
  size_t struct_size;
  int32_t must_exist;      /* 1: TCSYNC_REPLICA_MISSING without a database; 0: it is created, with
                              its directory */
  int64_t busy_timeout_ms; /* the wait of a call for another program that holds the database, up
                              to 86,400,000; 0: 10 seconds. A Taskwarrior that syncs holds it
                              until its sync ends */
  int32_t
      copy; /* 1: opens a copy in memory of the database as it is now. The file is not written to,
                   not even to upgrade it, and what is changed in the copy ends with it. Without a
                   database TCSYNC_REPLICA_MISSING */
} tcsync_replica_options;

/* Opens the replica in `directory`, in the file taskchampion.sqlite3. NULL is a replica in memory,
 * which ends with its _free. A database of an earlier release of TaskChampion is upgraded, and stays
 * usable by TaskChampion 0.9 and each later release with the same major version of the schema. A
 * process whose parent had a replica in a directory open when it forked can open replicas in memory
 * only.
 * Threads: any.
 * Ownership: borrows directory and options (NULL: all defaults) for the call; *replica is the caller's,
 *   for tcsync_replica_free.
 * Errors: TCSYNC_REPLICA_MISSING; TCSYNC_WRONG_FORMAT for a database of a later major version, or one
 *   that is no replica's; TCSYNC_INVALID_OPTION_VALUE for a number out of range;
 *   TCSYNC_INVALID_ARGUMENT for an empty directory, or must_exist or copy without a directory. */
TCSYNC_API tcsync_code tcsync_replica_open(const char *directory,
                                           const tcsync_replica_options *options,
                                           tcsync_replica **replica, tcsync_error **error);

/* Closes the database and frees the replica. Tasks and operations that were read stay valid.
 * Threads: one; no call on the replica may be running.
 * Ownership: takes the replica.
 * Errors: none. */
TCSYNC_API void tcsync_replica_free(tcsync_replica *replica);

/* The kinds of operations. */
enum {
  /* Changes nothing: an undo reverts what follows the last one. */
  TCSYNC_OPERATION_UNDO_POINT = 1,
  /* Creates a task without properties; invalid if it exists. */
  TCSYNC_OPERATION_CREATE = 2,
  /* Sets or removes one property; invalid without the task. */
  TCSYNC_OPERATION_UPDATE = 3,
  /* Deletes the whole task, for ever; invalid without the task. */
  TCSYNC_OPERATION_DELETE = 4
};

/* One change of the tasks. Zero the struct and set struct_size first. As a result, the texts are
 * borrowed from the tcsync_operations and followed by a NUL that is not counted. */
typedef struct tcsync_operation {
  size_t struct_size;
  int32_t kind;        /* TCSYNC_OPERATION_... */
  tcsync_uuid task_id; /* of all kinds but undo points */
  /* Of an update; ignored, and as a result 0, for the other kinds. */
  int32_t nanoseconds;  /* of the second, from 0 to 999,999,999 */
  int64_t seconds;      /* since 1970, in the years 1 to 9999; both 0: now. Of two updates of one
                           property on two replicas, the later one wins */
  const char *property; /* its name */
  size_t property_size;
  const char *value; /* NULL: the property is removed; an empty value is a pointer and length 0 */
  size_t value_size;
  /* Results only, and ignored in a commit: what an undo restores. Operations from other replicas have
   * none. */
  const char *old_value; /* the value before an update; NULL if there was none */
  size_t old_value_size;
  size_t old_property_count; /* of the task before a deletion: see tcsync_operations_old_property */
} tcsync_operation;

/* Applies the operations in their order, all or none. A task whose status becomes "pending" or
 * "recurring" joins the working set. `operations` is an array whose elements all have the same
 * struct_size, which is the distance from each to the next.
 * Threads: one.
 * Ownership: borrows operations for the call.
 * Errors: TCSYNC_INVALID_OPERATION, TCSYNC_INVALID_UUID, TCSYNC_INVALID_ARGUMENT and
 *   TCSYNC_NULL_ARGUMENT for an operation, whose index is in the message. */
TCSYNC_API tcsync_code tcsync_replica_commit(tcsync_replica *replica,
                                             const tcsync_operation *operations,
                                             size_t operation_count, tcsync_error **error);

/* Tasks as they were at one moment, in memory: also after later commits and the replica's _free. */
typedef struct tcsync_tasks tcsync_tasks;

/* Reads the task `task_id`, or with NULL all tasks, completed and deleted ones included, in the order
 * of their arrival. For a `task_id` there is one task, or none.
 * Threads: one.
 * Ownership: borrows task_id for the call; *tasks is the caller's, for tcsync_tasks_free.
 * Errors: TCSYNC_INVALID_UUID. */
TCSYNC_API tcsync_code tcsync_replica_tasks(tcsync_replica *replica, const char *task_id,
                                            tcsync_tasks **tasks, tcsync_error **error);

/* The number of tasks.
 * Threads: any.
 * Ownership: nothing is passed.
 * Errors: 0 for NULL. */
TCSYNC_API size_t tcsync_tasks_count(const tcsync_tasks *tasks);

/* One task, as tcsync_tasks_get fills it. Set struct_size before the call; the rest need not be
 * zeroed. */
typedef struct tcsync_task {
  size_t struct_size;
  int64_t working_set_number; /* its small number, from 1, if it is in the working set, which has
                                 the tasks that are pending or recurring; otherwise 0 */
  size_t property_count;
  tcsync_uuid task_id;
} tcsync_task;

/* A property of a task, in UTF-8. A NUL follows both texts and is not counted. This struct cannot
 * grow. */
typedef struct tcsync_property {
  const char *name;
  size_t name_size;
  const char *value;
  size_t value_size;
} tcsync_property;

/* Describes task `index`, from 0 to tcsync_tasks_count() - 1.
 * Threads: any.
 * Ownership: fills the caller's struct, as much of it as struct_size says.
 * Errors: TCSYNC_INVALID_ARGUMENT for an index or a struct_size out of range. */
TCSYNC_API tcsync_code tcsync_tasks_get(const tcsync_tasks *tasks, size_t index, tcsync_task *task,
                                        tcsync_error **error);

/* Property `property_index`, from 0 to property_count - 1, of task `index`. They are sorted by name, by
 * its bytes.
 * Threads: any.
 * Ownership: the pointers in *property are borrowed from the tasks, valid until they are freed.
 * Errors: TCSYNC_INVALID_ARGUMENT for an index out of range. */
TCSYNC_API tcsync_code tcsync_tasks_property(const tcsync_tasks *tasks, size_t index,
                                             size_t property_index, tcsync_property *property,
                                             tcsync_error **error);

/* Frees the tasks.
 * Threads: one.
 * Ownership: takes the tasks.
 * Errors: none. */
TCSYNC_API void tcsync_tasks_free(tcsync_tasks *tasks);

/* Operations as they were at one moment, in memory, like tcsync_tasks. */
typedef struct tcsync_operations tcsync_operations;

/* The operations that tcsync_replica_operations reads. */
enum {
  /* Those that no sync has sent. */
  TCSYNC_OPERATIONS_PENDING = 1,
  /* What an undo would revert: the pending ones from the last undo point on, or all of them. */
  TCSYNC_OPERATIONS_UNDOABLE = 2,
  /* Those of one task that the database has, sent, received and pending. A sync removes those of tasks
   * that no longer exist. */
  TCSYNC_OPERATIONS_OF_TASK = 3
};

/* Reads operations, in their order. `task_id` is needed for TCSYNC_OPERATIONS_OF_TASK, and NULL
 * otherwise.
 * Threads: one.
 * Ownership: borrows task_id for the call; *operations is the caller's, for tcsync_operations_free.
 * Errors: TCSYNC_INVALID_UUID, TCSYNC_INVALID_ARGUMENT for another `which`. */
TCSYNC_API tcsync_code tcsync_replica_operations(tcsync_replica *replica, int32_t which,
                                                 const char *task_id,
                                                 tcsync_operations **operations,
                                                 tcsync_error **error);

/* The number of operations.
 * Threads: any.
 * Ownership: nothing is passed.
 * Errors: 0 for NULL. */
TCSYNC_API size_t tcsync_operations_count(const tcsync_operations *operations);

/* Describes operation `index`, from 0 to tcsync_operations_count() - 1.
 * Threads: any.
 * Ownership: fills the caller's struct, as much of it as struct_size says; the rest need not be zeroed.
 *   The pointers in it are borrowed from the operations, valid until they are freed.
 * Errors: TCSYNC_INVALID_ARGUMENT for an index or a struct_size out of range. */
TCSYNC_API tcsync_code tcsync_operations_get(const tcsync_operations *operations, size_t index,
                                             tcsync_operation *operation, tcsync_error **error);

/* Property `property_index`, from 0 to old_property_count - 1, that the task had before the deletion
 * `index`. They are sorted as those of tcsync_tasks_property.
 * Threads: any.
 * Ownership: the pointers in *property are borrowed from the operations, valid until they are freed.
 * Errors: TCSYNC_INVALID_ARGUMENT for an index out of range. */
TCSYNC_API tcsync_code tcsync_operations_old_property(const tcsync_operations *operations,
                                                      size_t index, size_t property_index,
                                                      tcsync_property *property,
                                                      tcsync_error **error);

/* Frees the operations.
 * Threads: one.
 * Ownership: takes the operations.
 * Errors: none. */
TCSYNC_API void tcsync_operations_free(tcsync_operations *operations);

/* Reverts operations that TCSYNC_OPERATIONS_UNDOABLE gave, and forgets them. *was_undone is 1; or 0,
 * and nothing was changed, if they are no longer the last pending ones.
 * Threads: one.
 * Ownership: borrows operations for the call.
 * Errors: none of its own. */
TCSYNC_API tcsync_code tcsync_replica_undo(tcsync_replica *replica,
                                           const tcsync_operations *operations, int32_t *was_undone,
                                           tcsync_error **error);

/* Removes from the working set the tasks that are no longer pending or recurring, and adds those that
 * are. With `renumber` other than 0, the numbers are consecutive from 1; otherwise the remaining tasks
 * keep theirs.
 * Threads: one.
 * Ownership: nothing is passed.
 * Errors: none of its own. */
TCSYNC_API tcsync_code tcsync_replica_rebuild_working_set(tcsync_replica *replica, int32_t renumber,
                                                          tcsync_error **error);

/* The state of a replica. Set struct_size before the call; the rest need not be zeroed. */
typedef struct tcsync_replica_state {
  size_t struct_size;
  int64_t tasks;               /* their number, completed and deleted ones included */
  int64_t pending_operations;  /* without undo points */
  int64_t pending_undo_points; /* those among the pending operations */
  tcsync_uuid base_version_id; /* the version up to which the replica has its client's history;
                                  the nil UUID before the first sync */
} tcsync_replica_state;

/* Describes the replica.
 * Threads: one.
 * Ownership: fills the caller's struct, as much of it as struct_size says.
 * Errors: none of its own. */
TCSYNC_API tcsync_code tcsync_replica_get_state(tcsync_replica *replica,
                                                tcsync_replica_state *state, tcsync_error **error);

/* The progress of a sync, counted from its beginning. The library sets struct_size to the size that it
 * knows. */
typedef struct tcsync_sync_progress {
  size_t struct_size;
  int64_t received_versions;
  int64_t received_operations;
  int64_t sent_versions;
  int64_t sent_operations;
  int64_t operations_to_send; /* the pending ones that remain */
} tcsync_sync_progress;

/* Receives the progress after each step of a sync, on the thread that called tcsync_replica_sync, while
 * the database is free for other programs. `progress` is borrowed until it returns. With another result
 * than 0 it ends the sync with TCSYNC_CANCELLED, unless that had nothing left to do. It must not throw,
 * and must not call the replica or the remote, but for tcsync_remote_cancel. */
typedef int32_t (*tcsync_progress_function)(void *user_data, const tcsync_sync_progress *progress);

/* How to sync. Zero the struct and set struct_size first. */
typedef struct tcsync_sync_options {
  size_t struct_size;
  int32_t avoid_snapshots; /* 1: a snapshot is made only if the server calls it urgent, for a
                              computer that is short of processor, memory or bandwidth */
  tcsync_progress_function progress; /* NULL: none */
  void *user_data;                   /* passed back to it as it is */
  int32_t
      receive_only; /* 1: receives, and ends. Nothing is sent, the working set is not rebuilt, and
                           the operations of tasks that were deleted stay; the next sync without it
                           does that */
  const char
      *last_version_id; /* not NULL: receives up to this version, as with receive_only; without
                                  such a version on the way, up to the latest one. Borrowed for the
                                  call */
  int32_t
      versions_first; /* 1: an empty replica begins with the first version and not with a snapshot,
                         where the server has all versions, and they are few or it gives many in
                         one answer. For a history that another replica joins: that goes by the
                         times of the changes, which a snapshot does not have */
} tcsync_sync_options;

/* The effects of a sync. Set struct_size before the call; the rest need not be zeroed. */
typedef struct tcsync_sync_report {
  size_t struct_size;
  int64_t received_versions;
  int64_t received_operations;
  int64_t sent_versions;
  int64_t sent_operations;
  int32_t
      has_applied_snapshot;  /* 1 if the replica was empty and began with the server's snapshot */
  int32_t has_sent_snapshot; /* 1 if a snapshot was sent, which the server may have declined */
  tcsync_uuid version_id; /* of the version or the snapshot with the fault that ended the sync; ""
                             if there is none */
} tcsync_sync_report;

/* Receives the versions that the replica lacks, sends its pending operations, and rebuilds the working
 * set. An empty replica begins with the server's snapshot. Whatever was received and sent before an
 * error stays, and the next sync continues there.
 *
 * tcsync_remote_cancel ends it, from any thread or signal handler, as it ends every call on the remote;
 * it stays until tcsync_remote_resume. An end by the progress function needs no tcsync_remote_resume.
 * Threads: one, for the replica and for the remote.
 * Ownership: borrows options (NULL: all defaults) for the call; fills the caller's struct, as much of
 *   it as struct_size says. Unlike other outputs, *report is filled by a sync that failed, too: with
 *   the effects that stay.
 * Errors: TCSYNC_SYNC_FAILED with its details; TCSYNC_REMOTE_FAILED and TCSYNC_UNSEAL_FAILED with
 *   theirs; TCSYNC_CANCELLED; TCSYNC_INVALID_ARGUMENT for a remote without a key; TCSYNC_INVALID_UUID for
 *   a last_version_id that is no version's, the nil UUID among them. */
TCSYNC_API tcsync_code tcsync_replica_sync(tcsync_replica *replica, tcsync_remote *remote,
                                           const tcsync_sync_options *options,
                                           tcsync_sync_report *report, tcsync_error **error);

/* How to join a history. Zero the struct and set struct_size first. */
typedef struct tcsync_join_options {
  size_t struct_size;
  int32_t drop_synced_operations; /* 1 for a database that TaskChampion 0.8 or earlier uses, as in
                                     Taskwarrior 3.1: it would send the operations again that the
                                     history's replica has received */
  const char *copy_directory; /* not NULL: a directory that gets a copy of the replica as it was,
                                 exactly up to the join. It is created; a database that is there
                                 already is TCSYNC_INVALID_ARGUMENT. Borrowed for the call */
} tcsync_join_options;

/* The effects of joining a history. Set struct_size before the call; the rest need not be zeroed. Tasks
 * that both had with equal properties are in no number. */
typedef struct tcsync_join_report {
  size_t struct_size;
  int64_t received_tasks;  /* only the history had them */
  int64_t added_tasks;     /* only the replica had them */
  int64_t changed_tasks;   /* both had them, and properties of the replica won */
  int64_t overruled_tasks; /* both had them, and properties of the history won */
  int64_t removed_tasks;   /* of the replica: the history had deleted them for ever */
  int64_t deleted_tasks;   /* of the history: the replica had deleted them for ever */
} tcsync_join_report;

/* Moves the replica to another history, with its tasks. `history` is a replica without pending
 * operations: an empty one, or one that has just received the history (receive_only, which keeps what a
 * deletion leaves). Afterwards `replica` has the history's tasks, operations and base version, and what
 * it alone had, or had later, as pending operations with their own times. Of each property the later
 * change wins; docs/replica.md has the rules. It is one transaction: a change that another program makes
 * meanwhile waits, and is not lost.
 *
 * *doubtful has the decisions that the times did not make: equal times, or one that is not known. An
 * update has the value that won, and the other one as its old value. A creation is a task of the replica
 * that came back, and a deletion a task of the history that stayed.
 * Threads: one, for both replicas.
 * Ownership: borrows options (NULL: all defaults) for the call; fills the caller's struct, as much of
 *   it as struct_size says; *doubtful is the caller's, for tcsync_operations_free.
 * Errors: TCSYNC_INVALID_ARGUMENT for a history with pending operations, for one replica as both, and
 *   for a copy_directory that is empty or has a database, or with a replica in memory. */
TCSYNC_API tcsync_code tcsync_replica_join(tcsync_replica *replica, tcsync_replica *history,
                                           const tcsync_join_options *options,
                                           tcsync_join_report *report, tcsync_operations **doubtful,
                                           tcsync_error **error);

/* ------------------------------------------------------------------------------------------------
 * Checks by the compiler
 *
 * GCC and clang warn of an ignored result, and of a visible NULL for a parameter that must not be one.
 * They learn of such parameters only without optimisation: an optimiser takes nonnull for the caller's
 * promise and removes checks behind the call, while here NULL is an error and nothing worse. Programs
 * that pass NULL on purpose define TCSYNC_NO_NONNULL.
 */

#if defined(__GNUC__) && !defined(TCSYNC_BUILDING)
#if defined(TCSYNC_NO_NONNULL) || (defined(__OPTIMIZE__) && !defined(__clang_analyzer__))
#define TCSYNC_CHECKED(function, parameters) \
  extern __typeof__(function) function __attribute__((warn_unused_result))
#else
#define TCSYNC_CHECKED(function, parameters) \
  extern __typeof__(function) function __attribute__((warn_unused_result, nonnull parameters))
#endif
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wredundant-decls"
/* Every function that returns a tcsync_code, with the parameters that must not be NULL. */
TCSYNC_CHECKED(tcsync_uuid_random, (1));
TCSYNC_CHECKED(tcsync_option_info, (2));
TCSYNC_CHECKED(tcsync_config_new, (1));
TCSYNC_CHECKED(tcsync_config_set, (1, 2, 3));
TCSYNC_CHECKED(tcsync_config_get, (1, 2, 3));
TCSYNC_CHECKED(tcsync_config_set_from_environment, (1));
TCSYNC_CHECKED(tcsync_log_record_field, (1, 3));
TCSYNC_CHECKED(tcsync_config_set_log, (1));
TCSYNC_CHECKED(tcsync_engine_open, (1, 2));
TCSYNC_CHECKED(tcsync_engine_option, (1, 2, 3));
TCSYNC_CHECKED(tcsync_engine_handle, (1, 2, 3));
TCSYNC_CHECKED(tcsync_engine_handle_async, (1, 2, 3));
TCSYNC_CHECKED(tcsync_administer, (3, 4));
TCSYNC_CHECKED(tcsync_monitor, (1, 2, 3));
TCSYNC_CHECKED(tcsync_response_header, (1, 3));
TCSYNC_CHECKED(tcsync_queue_new, (1));
TCSYNC_CHECKED(tcsync_queue_next, (1, 3));
TCSYNC_CHECKED(tcsync_config_set_log_queue, (1));
TCSYNC_CHECKED(tcsync_engine_handle_queued, (1, 2, 3));
TCSYNC_CHECKED(tcsync_engine_begin, (1, 2, 3, 4));
TCSYNC_CHECKED(tcsync_pending_append, (1, 4));
TCSYNC_CHECKED(tcsync_pending_append_queued, (1, 4));
TCSYNC_CHECKED(tcsync_pending_finish, (1, 2));
TCSYNC_CHECKED(tcsync_pending_finish_queued, (1, 2));
TCSYNC_CHECKED(tcsync_response_read, (1, 2));
TCSYNC_CHECKED(tcsync_response_read_queued, (1, 2));
TCSYNC_CHECKED(tcsync_listener_bind, (1, 2));
TCSYNC_CHECKED(tcsync_listener_serve, (1, 2));
TCSYNC_CHECKED(tcsync_credentials_generate, (1, 2));
TCSYNC_CHECKED(tcsync_key_derive, (1, 4));
TCSYNC_CHECKED(tcsync_seal, (1, 2, 5));
TCSYNC_CHECKED(tcsync_unseal, (1, 2, 5));
TCSYNC_CHECKED(tcsync_remote_open, (1, 5));
TCSYNC_CHECKED(tcsync_remote_probe, (1, 2));
TCSYNC_CHECKED(tcsync_remote_get_child_version, (1, 2, 3, 4, 5));
TCSYNC_CHECKED(tcsync_remote_await_version, (1, 2, 4, 5));
TCSYNC_CHECKED(tcsync_remote_add_version, (1, 2, 5, 6, 7));
TCSYNC_CHECKED(tcsync_remote_get_snapshot, (1, 2, 3, 4));
TCSYNC_CHECKED(tcsync_remote_add_snapshot, (1, 2));
TCSYNC_CHECKED(tcsync_replica_open, (3));
TCSYNC_CHECKED(tcsync_replica_commit, (1));
TCSYNC_CHECKED(tcsync_replica_tasks, (1, 3));
TCSYNC_CHECKED(tcsync_tasks_get, (1, 3));
TCSYNC_CHECKED(tcsync_tasks_property, (1, 4));
TCSYNC_CHECKED(tcsync_replica_operations, (1, 4));
TCSYNC_CHECKED(tcsync_operations_get, (1, 3));
TCSYNC_CHECKED(tcsync_operations_old_property, (1, 4));
TCSYNC_CHECKED(tcsync_replica_undo, (1, 2, 3));
TCSYNC_CHECKED(tcsync_replica_rebuild_working_set, (1));
TCSYNC_CHECKED(tcsync_replica_get_state, (1, 2));
TCSYNC_CHECKED(tcsync_replica_sync, (1, 2, 4));
TCSYNC_CHECKED(tcsync_replica_join, (1, 2, 4, 5));
#pragma GCC diagnostic pop
#undef TCSYNC_CHECKED
#endif

#ifdef __cplusplus
}
#endif

#endif /* TCSYNC_H_ */
