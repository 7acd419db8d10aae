/* The signals of the library's threads, and of those that RocksDB starts for it: a host's handlers
 * run on the host's own threads only, and a fault on any thread reaches the host's crash reporter.
 */
#include <dirent.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "support.h"

static pthread_t main_thread;
static atomic_int handled;
static atomic_int handled_elsewhere;

static void handle_signal(int number) {
  (void)number;
  atomic_fetch_add(&handled, 1);
  if (!pthread_equal(pthread_self(), main_thread)) atomic_fetch_add(&handled_elsewhere, 1);
}

/* ------------------------------------------------------------------------------------------------
 * A thread of the host's that inspects all others while the library works
 */

#if defined(__linux__)

static const int kFaults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS};
static atomic_int is_inspecting;
static atomic_int has_inspected;
static atomic_int saw_rocksdb;
static atomic_int saw_lookup;
static atomic_int saw_engine;

static int is_fault(int number) {
  size_t i = 0;
  for (i = 0; i < sizeof(kFaults) / sizeof(kFaults[0]); ++i) {
    if (kFaults[i] == number) return 1;
  }
  return 0;
}

/* Whether only its own faults can interrupt a thread with that mask. */
static int has_expected_mask(unsigned long long blocked) {
  int number = 0;
  /* The C library, which alone can block its own signals, has a thread start and end with all
   * blocked. */
  if (blocked & 1ULL << 31) return 1;
  for (number = 1; number <= 64; ++number) {
    const int is_blocked = (int)(blocked >> (number - 1) & 1);
    /* Two cannot be blocked, and two are the C library's own. */
    if (number == SIGKILL || number == SIGSTOP || number == 32 || number == 33) continue;
    if (is_blocked == is_fault(number)) return 0;
  }
  return 1;
}

/* One thread, unless it ends meanwhile. */
static void inspect_thread(const char* thread_id) {
  char path[64];
  char line[256];
  char name[64] = "";
  unsigned long long blocked = 0;
  int has_mask = 0;
  FILE* file = NULL;
  snprintf(path, sizeof(path), "/proc/self/task/%.20s/status", thread_id);
  file = fopen(path, "r");
  if (file == NULL) return;
  while (fgets(line, sizeof(line), file) != NULL) {
    if (sscanf(line, "Name: %63s", name) == 1) continue;
    /* A thread that has ended has no masks. */
    if (strcmp(line, "Threads:\t0\n") == 0) break;
    if (sscanf(line, "SigBlk: %llx", &blocked) == 1) has_mask = 1;
  }
  fclose(file);
  if (!has_mask || strcmp(name, "watcher") == 0) return;
  if (strncmp(name, "rocksdb", 7) == 0) atomic_store(&saw_rocksdb, 1);
  if (strcmp(name, "tcsync-lookup") == 0) atomic_store(&saw_lookup, 1);
  if (strcmp(name, "tcsync-commit") == 0) atomic_store(&saw_engine, 1);
  if (has_expected_mask(blocked)) return;
  fprintf(stderr, "the thread %s blocks %llx\n", name, blocked);
  CHECK(!"a thread of the library has the signals of the host's threads");
}

static void* inspect_threads(void* unused) {
  char own_name[] = "watcher";
  FILE* comm = fopen("/proc/thread-self/comm", "w");
  (void)unused;
  CHECK(comm != NULL && fputs(own_name, comm) >= 0 && fclose(comm) == 0);
  while (atomic_load(&is_inspecting)) {
    char main_id[32];
    DIR* tasks = opendir("/proc/self/task");
    struct dirent* entry = NULL;
    snprintf(main_id, sizeof(main_id), "%ld", (long)getpid());
    while (tasks != NULL && (entry = readdir(tasks)) != NULL) {
      if (entry->d_name[0] == '.' || strcmp(entry->d_name, main_id) == 0) continue;
      inspect_thread(entry->d_name);
    }
    if (tasks != NULL) closedir(tasks);
    atomic_store(&has_inspected, 1);
  }
  return NULL;
}

#endif

/* ------------------------------------------------------------------------------------------------
 */

/* Administers the engine, or with NULL the directories of `config`, and gives the body, for free().
 */
static char* administer(const tcsync_config* config, tcsync_engine* engine, const char* method,
                        const char* target, const char* body, int status) {
  test_request filled;
  tcsync_response* response = NULL;
  const char* text = NULL;
  char* copy = NULL;
  fill_request(&filled, method, target, NULL, NULL, body, body == NULL ? 0 : strlen(body));
  CHECK_OK(tcsync_administer(config, engine, &filled.request, &response, &error));
  CHECK_INT(tcsync_response_status(response), status);
  text = tcsync_response_body(response, NULL);
  copy = malloc(strlen(text) + 1);
  strcpy(copy, text);
  tcsync_response_free(response);
  return copy;
}

/* Begins a job and waits for its end. */
static void run_job(tcsync_engine* engine, const char* target, const char* body) {
  char path[64] = "";
  int number = 0;
  const time_t deadline = time(NULL) + 60;
  char* answer = administer(NULL, engine, "POST", target, body, 202);
  const char* job = strstr(answer, "\"job\":");
  CHECK(job != NULL && sscanf(job, "\"job\":%d", &number) == 1);
  free(answer);
  snprintf(path, sizeof(path), "/v1/admin/jobs/%d", number);
  for (;;) {
    int is_running = 0;
    answer = administer(NULL, engine, "GET", path, NULL, 200);
    is_running = strstr(answer, "\"state\":\"running\"") != NULL ||
                 strstr(answer, "\"state\":\"waiting\"") != NULL;
    if (!is_running && strstr(answer, "\"state\":\"done\"") == NULL) {
      fprintf(stderr, "%s\n", answer);
      CHECK(!"the job failed");
    }
    free(answer);
    if (!is_running || time(NULL) > deadline) break;
    sched_yield();
  }
  CHECK(time(NULL) <= deadline);
}

/* Makes the library start every thread that it ever starts. */
static void use_everything(const char* parent) {
  char data_directory[PATH_BYTES];
  char backup_directory[PATH_BYTES];
  char restored_directory[PATH_BYTES];
  char body[2 * PATH_BYTES];
  tcsync_config* config = NULL;
  test_server started;
  tcsync_engine* engine = NULL;
  tcsync_remote* remote = NULL;
  tcsync_probe probe;
  int attempts = 0;
  join_path(data_directory, parent, "data");
  join_path(backup_directory, parent, "backups");
  join_path(restored_directory, parent, "restored");
  memset(&probe, 0, sizeof(probe));
  probe.struct_size = sizeof(probe);

  config = make_config(data_directory);
  started = serve(config);
  tcsync_config_free(config);
  CHECK_INT(add_first_version(started.engine, CLIENT_A), 200);
  remote = open_remote(started.url, CLIENT_A, NULL);
  CHECK_OK(tcsync_remote_probe(remote, &probe, &error));
  CHECK_INT(probe.kind, TCSYNC_PROBE_HISTORY);
  tcsync_remote_free(remote);

  remote = open_remote("http://tcsync.invalid", CLIENT_A, NULL);
  do {
    CHECK_FAILS(tcsync_remote_probe(remote, &probe, &error), TCSYNC_REMOTE_NAME_NOT_RESOLVED, "");
    ++attempts;
#if defined(__linux__)
  } while (!atomic_load(&saw_lookup) && attempts < 1000);
#else
  } while (attempts < 2);
#endif
  tcsync_remote_free(remote);

  snprintf(body, sizeof(body), "{\"directory\":\"%s\"}", backup_directory);
  run_job(started.engine, "/v1/admin/backups", body);
  run_job(started.engine, "/v1/admin/compact", "{}");
  stop_server(&started);

  config = make_config(restored_directory);
  free(administer(config, NULL, "POST", "/v1/admin/restore", body, 200));
  CHECK_OK(tcsync_engine_open(config, &engine, &error));
  tcsync_engine_free(engine);
  tcsync_config_free(config);
}

static void every_thread_blocks_the_hosts_signals(void) {
#if defined(__linux__)
  pthread_t watcher;
  char parent[PATH_BYTES];
  make_directory(parent);
  atomic_store(&is_inspecting, 1);
  CHECK_INT(pthread_create(&watcher, NULL, inspect_threads, NULL), 0);
  while (!atomic_load(&has_inspected)) sched_yield();
  use_everything(parent);
  atomic_store(&is_inspecting, 0);
  CHECK_INT(pthread_join(watcher, NULL), 0);
  CHECK(atomic_load(&saw_engine));
  CHECK(atomic_load(&saw_rocksdb));
  CHECK(atomic_load(&saw_lookup));
  remove_directory(parent);
#endif
}

/* While the host's only thread blocks a signal, no thread can take it. */
static void a_blocked_signal_waits_for_the_hosts_thread(void) {
  static const int kSignals[] = {SIGUSR1, SIGALRM};
  const size_t count = sizeof(kSignals) / sizeof(kSignals[0]);
  struct sigaction action;
  sigset_t blocked;
  sigset_t before;
  sigset_t pending;
  char parent[PATH_BYTES];
  char data_directory[PATH_BYTES];
  tcsync_config* config = NULL;
  test_server started;
  size_t i = 0;
  memset(&action, 0, sizeof(action));
  action.sa_handler = handle_signal;
  make_directory(parent);
  join_path(data_directory, parent, "data");
  config = make_config(data_directory);
  /* The threads start while the host's thread blocks nothing. */
  started = serve(config);
  tcsync_config_free(config);

  sigemptyset(&blocked);
  for (i = 0; i < count; ++i) {
    CHECK_INT(sigaction(kSignals[i], &action, NULL), 0);
    sigaddset(&blocked, kSignals[i]);
  }
  CHECK_INT(pthread_sigmask(SIG_BLOCK, &blocked, &before), 0);
  for (i = 0; i < count; ++i) {
    CHECK_INT(kill(getpid(), kSignals[i]), 0);
    /* The library's threads have run since. */
    CHECK_INT(add_first_version(started.engine, CLIENT_A), i == 0 ? 200 : 409);
  }
  CHECK_INT(sigpending(&pending), 0);
  for (i = 0; i < count; ++i) CHECK_INT(sigismember(&pending, kSignals[i]), 1);
  CHECK_INT(atomic_load(&handled), 0);
  CHECK_INT(pthread_sigmask(SIG_SETMASK, &before, NULL), 0);
  CHECK_INT(atomic_load(&handled), (int)count);
  CHECK_INT(atomic_load(&handled_elsewhere), 0);

  stop_server(&started);
  remove_directory(parent);
}

int main(void) {
  main_thread = pthread_self();
  RUN(a_blocked_signal_waits_for_the_hosts_thread,
      "a host's signal handler runs on a thread that it knows nothing of, in the middle of a "
      "write");
  RUN(every_thread_blocks_the_hosts_signals,
      "a host's signal handler runs on RocksDB's threads, or its crash reporter hears of no fault");
  return check_exit_status();
}
