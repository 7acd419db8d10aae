/* Replicas in real directories, and in memory, without a server. */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "replica_support.h"
#include "support.h"

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

/* Another program's connection to the database of a replica. */
static sqlite3* open_database(const char* directory) {
  char path[PATH_BYTES];
  sqlite3* database = NULL;
  join_path(path, directory, "taskchampion.sqlite3");
  CHECK_INT(sqlite3_open(path, &database), SQLITE_OK);
  return database;
}

static void execute(sqlite3* database, const char* sql) {
  CHECK_INT(sqlite3_exec(database, sql, NULL, NULL, NULL), SQLITE_OK);
}

static void check_text_of(const char* data, size_t size, const char* expected,
                          size_t expected_size) {
  CHECK_INT(size, expected_size);
  CHECK(data != NULL && size == expected_size && memcmp(data, expected, size) == 0);
  CHECK(data != NULL && data[size] == '\0');
}

static void tasks_are_created_changed_and_deleted(void) {
  static const char kWithZero[] = "a\0b";
  char directory[PATH_BYTES];
  tcsync_replica* replica = NULL;
  tcsync_operation operations[6];
  tcsync_tasks* tasks = NULL;
  tcsync_task task;
  tcsync_property property;
  make_directory(directory);
  replica = open_replica(directory);
  operations[0] = undo_point();
  operations[1] = create_task(TASK_A);
  operations[2] = update_task(TASK_A, "status", "pending");
  operations[3] = update_task(TASK_A, "zero", kWithZero);
  operations[3].value_size = sizeof(kWithZero) - 1;
  operations[4] = update_task(TASK_A, "empty", "");
  operations[5] = update_task(TASK_A, "\xc3\xa4ndern", "\xf0\x9f\x8c\xb3");
  CHECK_OK(tcsync_replica_commit(replica, operations, COUNT(operations), &error));
  add_task(replica, TASK_B, "Buy milk");
  tcsync_replica_free(replica);

  replica = open_replica(directory);
  tasks = read_tasks(replica, NULL);
  CHECK_INT(tcsync_tasks_count(tasks), 2);
  task = task_at(tasks, 0);
  CHECK_TEXT(task.task_id.text, TASK_A);
  CHECK_INT(task.property_count, 4);
  CHECK_INT(task.working_set_number, 1);
  CHECK_INT(task_at(tasks, 1).working_set_number, 0);
  CHECK_OK(tcsync_tasks_property(tasks, 0, 0, &property, &error));
  check_text_of(property.name, property.name_size, "empty", 5);
  check_text_of(property.value, property.value_size, "", 0);
  CHECK_OK(tcsync_tasks_property(tasks, 0, 1, &property, &error));
  CHECK_TEXT(property.name, "status");
  CHECK_OK(tcsync_tasks_property(tasks, 0, 2, &property, &error));
  CHECK_TEXT(property.name, "zero");
  check_text_of(property.value, property.value_size, kWithZero, sizeof(kWithZero) - 1);
  CHECK_OK(tcsync_tasks_property(tasks, 0, 3, &property, &error));
  check_text_of(property.name, property.name_size, "\xc3\xa4ndern", 7);
  check_text_of(property.value, property.value_size, "\xf0\x9f\x8c\xb3", 4);

  commit_one(replica, update_task(TASK_A, "status", NULL));
  check_property(replica, TASK_A, "status", NULL);
  check_property(replica, TASK_A, "empty", "");
  commit_one(replica, delete_task(TASK_A));
  check_task_count(replica, 1);
  tcsync_replica_free(replica);

  /* It is as it was, whatever came later. */
  CHECK_INT(tcsync_tasks_count(tasks), 2);
  CHECK_OK(tcsync_tasks_property(tasks, 0, 1, &property, &error));
  CHECK_TEXT(property.value, "pending");
  tcsync_tasks_free(tasks);
  remove_directory(directory);
}

static void a_single_task_is_found_or_not(void) {
  tcsync_replica* replica = open_replica(NULL);
  tcsync_tasks* tasks = NULL;
  CHECK_TEXT(state_of(replica).base_version_id.text, NIL_VERSION);
  add_task(replica, TASK_A, "one");
  add_task(replica, TASK_B, "other");
  tasks = read_tasks(replica, TASK_B);
  CHECK_INT(tcsync_tasks_count(tasks), 1);
  CHECK_TEXT(task_at(tasks, 0).task_id.text, TASK_B);
  tcsync_tasks_free(tasks);
  tasks = read_tasks(replica, TASK_C);
  CHECK_INT(tcsync_tasks_count(tasks), 0);
  tcsync_tasks_free(tasks);
  tcsync_replica_free(replica);
}

static void operations_are_read_as_they_were_committed(void) {
  tcsync_replica* replica = open_replica(NULL);
  tcsync_operations* operations = NULL;
  tcsync_operation operation;
  tcsync_property property;
  const int64_t before = (int64_t)time(NULL);
  commit_one(replica, undo_point());
  add_task(replica, TASK_A, "Buy milk");
  operation = update_task_at(TASK_A, "description", NULL, -5);
  operation.nanoseconds = 123456789;
  commit_one(replica, operation);
  add_task(replica, TASK_B, "other");
  commit_one(replica, update_task(TASK_B, "project", "home"));
  commit_one(replica, delete_task(TASK_B));
  CHECK_INT(state_of(replica).pending_operations, 7);
  CHECK_INT(state_of(replica).pending_undo_points, 1);

  operations = read_operations(replica, TCSYNC_OPERATIONS_PENDING, NULL);
  tcsync_replica_free(replica);
  CHECK_INT(tcsync_operations_count(operations), 8);
  operation = operation_at(operations, 0);
  CHECK_INT(operation.kind, TCSYNC_OPERATION_UNDO_POINT);
  CHECK_TEXT(operation.task_id.text, "");
  operation = operation_at(operations, 1);
  CHECK_INT(operation.kind, TCSYNC_OPERATION_CREATE);
  CHECK_TEXT(operation.task_id.text, TASK_A);
  CHECK(operation.property == NULL && operation.seconds == 0 && operation.nanoseconds == 0);
  operation = operation_at(operations, 2);
  CHECK_INT(operation.kind, TCSYNC_OPERATION_UPDATE);
  check_text_of(operation.property, operation.property_size, "description", 11);
  check_text_of(operation.value, operation.value_size, "Buy milk", 8);
  CHECK(operation.old_value == NULL);
  CHECK(operation.seconds >= before && operation.seconds <= (int64_t)time(NULL));
  operation = operation_at(operations, 3);
  CHECK(operation.value == NULL && operation.value_size == 0);
  check_text_of(operation.old_value, operation.old_value_size, "Buy milk", 8);
  CHECK_INT(operation.seconds, -5);
  CHECK_INT(operation.nanoseconds, 123456789);
  operation = operation_at(operations, 7);
  CHECK_INT(operation.kind, TCSYNC_OPERATION_DELETE);
  CHECK_INT(operation.old_property_count, 2);
  CHECK_OK(tcsync_operations_old_property(operations, 7, 1, &property, &error));
  check_text_of(property.name, property.name_size, "project", 7);
  check_text_of(property.value, property.value_size, "home", 4);
  CHECK_FAILS(tcsync_operations_old_property(operations, 7, 2, &property, &error),
              TCSYNC_INVALID_ARGUMENT, "property 2");
  CHECK(property.name == NULL);
  tcsync_operations_free(operations);
}

static void an_undo_reverts_the_last_group_of_operations(void) {
  tcsync_replica* replica = open_replica(NULL);
  tcsync_operations* undoable = NULL;
  tcsync_operations* of_task = NULL;
  int32_t was_undone = -1;
  add_task(replica, TASK_A, "first");
  commit_one(replica, undo_point());
  commit_one(replica, update_task(TASK_A, "description", "second"));
  undoable = read_operations(replica, TCSYNC_OPERATIONS_UNDOABLE, NULL);
  CHECK_INT(tcsync_operations_count(undoable), 2);
  commit_one(replica, update_task(TASK_A, "project", "home"));
  CHECK_OK(tcsync_replica_undo(replica, undoable, &was_undone, &error));
  CHECK_INT(was_undone, 0);
  check_property(replica, TASK_A, "description", "second");
  tcsync_operations_free(undoable);

  undoable = read_operations(replica, TCSYNC_OPERATIONS_UNDOABLE, NULL);
  CHECK_OK(tcsync_replica_undo(replica, undoable, &was_undone, &error));
  CHECK_INT(was_undone, 1);
  check_property(replica, TASK_A, "description", "first");
  check_property(replica, TASK_A, "project", NULL);
  of_task = read_operations(replica, TCSYNC_OPERATIONS_OF_TASK, TASK_A);
  CHECK_INT(tcsync_operations_count(of_task), 2);
  tcsync_operations_free(of_task);
  tcsync_operations_free(undoable);
  tcsync_replica_free(replica);
}

static void the_working_set_is_rebuilt(void) {
  tcsync_replica* replica = open_replica(NULL);
  tcsync_tasks* tasks = NULL;
  add_task(replica, TASK_A, "one");
  add_task(replica, TASK_B, "other");
  commit_one(replica, update_task(TASK_A, "status", "pending"));
  commit_one(replica, update_task(TASK_B, "status", "pending"));
  commit_one(replica, update_task(TASK_A, "status", "completed"));
  CHECK_OK(tcsync_replica_rebuild_working_set(replica, 0, &error));
  tasks = read_tasks(replica, NULL);
  CHECK_INT(task_at(tasks, 0).working_set_number, 0);
  CHECK_INT(task_at(tasks, 1).working_set_number, 2);
  tcsync_tasks_free(tasks);
  CHECK_OK(tcsync_replica_rebuild_working_set(replica, 1, &error));
  tasks = read_tasks(replica, TASK_B);
  CHECK_INT(task_at(tasks, 0).working_set_number, 1);
  tcsync_tasks_free(tasks);
  tcsync_replica_free(replica);
}

static void invalid_operations_are_refused_with_their_index(void) {
  tcsync_replica* replica = open_replica(NULL);
  tcsync_operation operations[3];
  add_task(replica, TASK_A, "one");
  operations[0] = create_task(TASK_B);
  operations[2] = undo_point();
#define CHECK_REFUSED(operation, code, text)                                        \
  do {                                                                              \
    operations[1] = (operation);                                                    \
    CHECK_FAILS(tcsync_replica_commit(replica, operations, 3, &error), code, text); \
    check_task_count(replica, 1);                                                   \
  } while (0)
  CHECK_REFUSED(create_task(TASK_A), TCSYNC_INVALID_OPERATION, "index 1");
  CHECK_REFUSED(update_task(TASK_C, "x", "y"), TCSYNC_INVALID_OPERATION, "index 1");
  CHECK_REFUSED(delete_task(TASK_C), TCSYNC_INVALID_OPERATION, TASK_C);
  CHECK_REFUSED(update_task(TASK_A, "\xff", "y"), TCSYNC_INVALID_OPERATION, "index 1");
  CHECK_REFUSED(update_task(TASK_A, "x", "\xc3"), TCSYNC_INVALID_OPERATION, "index 1");
  CHECK_REFUSED(update_task_at(TASK_A, "x", "y", INT64_MAX), TCSYNC_INVALID_OPERATION, "index 1");
  CHECK_REFUSED(update_task_at(TASK_A, "x", "y", INT64_MIN), TCSYNC_INVALID_OPERATION, "index 1");
  CHECK_REFUSED(create_task("not-a-task"), TCSYNC_INVALID_UUID, "'not-a-task'");
  CHECK_REFUSED(create_task("not-a-task"), TCSYNC_INVALID_UUID, "operations[1].task_id");
  operations[1] = create_task(TASK_C);
  memset(operations[1].task_id.text, 'a', sizeof(operations[1].task_id.text));
  CHECK_REFUSED(operations[1], TCSYNC_INVALID_UUID, "more than 36 bytes");
  operations[1].kind = 0;
  CHECK_REFUSED(operations[1], TCSYNC_INVALID_ARGUMENT, "operations[1].kind is 0");
  operations[1].kind = 5;
  CHECK_REFUSED(operations[1], TCSYNC_INVALID_ARGUMENT, "operations[1].kind is 5");
  operations[1] = update_task(TASK_A, "x", NULL);
  operations[1].value_size = 1;
  CHECK_REFUSED(operations[1], TCSYNC_NULL_ARGUMENT, "operations[1].value");
  operations[1] = update_task(TASK_A, "x", "y");
  operations[1].property = NULL;
  CHECK_REFUSED(operations[1], TCSYNC_NULL_ARGUMENT, "operations[1].property");
  operations[1] = update_task(TASK_A, "x", "y");
  operations[1].nanoseconds = 1000000000;
  CHECK_REFUSED(operations[1], TCSYNC_INVALID_ARGUMENT, "operations[1].nanoseconds is 1000000000");
  operations[1].nanoseconds = -1;
  CHECK_REFUSED(operations[1], TCSYNC_INVALID_ARGUMENT, "operations[1].nanoseconds is -1");
#undef CHECK_REFUSED
  CHECK_OK(tcsync_replica_commit(replica, NULL, 0, &error));
  CHECK_NEEDS(tcsync_replica_commit(replica, NULL, 1, &error), "operations");
  tcsync_replica_free(replica);
}

/* As a program has them that was compiled with a later header. */
typedef struct later_operation {
  tcsync_operation operation;
  int64_t behind;
} later_operation;

static void operations_of_a_later_header_are_accepted_or_refused(void) {
  tcsync_replica* replica = open_replica(NULL);
  later_operation later[2];
  const tcsync_operation* const first = &later[0].operation;
  memset(later, 0, sizeof(later));
  later[0].operation = create_task(TASK_A);
  later[1].operation = update_task(TASK_A, "description", "one");
  later[0].operation.struct_size = sizeof(later[0]);
  later[1].operation.struct_size = sizeof(later[1]);
  later[1].behind = 1;
  CHECK_FAILS(tcsync_replica_commit(replica, first, 2, &error), TCSYNC_INVALID_ARGUMENT,
              "*(operations + 1) is not 0");
  check_task_count(replica, 0);
  later[1].behind = 0;
  CHECK_OK(tcsync_replica_commit(replica, first, 2, &error));
  check_property(replica, TASK_A, "description", "one");
  later[1].operation.struct_size = sizeof(tcsync_operation);
  CHECK_FAILS(tcsync_replica_commit(replica, first, 2, &error), TCSYNC_INVALID_ARGUMENT,
              "operations[1].struct_size");
  later[0].operation.struct_size = sizeof(tcsync_operation) + 1;
  CHECK_FAILS(tcsync_replica_commit(replica, first, 1, &error), TCSYNC_INVALID_ARGUMENT,
              "multiple");
  later[0].operation.struct_size = sizeof(tcsync_operation) - sizeof(size_t);
  CHECK_FAILS(tcsync_replica_commit(replica, first, 1, &error), TCSYNC_INVALID_ARGUMENT,
              "struct_size");
  later[0].operation.struct_size = 0;
  CHECK_FAILS(tcsync_replica_commit(replica, first, 1, &error), TCSYNC_INVALID_ARGUMENT,
              "struct_size is 0");
  tcsync_replica_free(replica);
}

static void opening_checks_the_directory_and_its_arguments(void) {
  char directory[PATH_BYTES];
  char below[PATH_BYTES];
  char path[PATH_BYTES];
  char poison = 0;
  tcsync_replica* replica = NULL;
  tcsync_replica_options options;
  sqlite3* database = NULL;
  make_directory(directory);
  join_path(below, directory, "not/yet");
  memset(&options, 0, sizeof(options));
  options.struct_size = sizeof(options);
  options.must_exist = 1;
#define CHECK_OPEN_FAILS(directory, code, text)                                            \
  do {                                                                                     \
    replica = (tcsync_replica*)(void*)&poison;                                             \
    CHECK_FAILS(tcsync_replica_open((directory), &options, &replica, &error), code, text); \
    CHECK(replica == NULL);                                                                \
  } while (0)
  CHECK_OPEN_FAILS(below, TCSYNC_REPLICA_MISSING, below);
  CHECK(!path_exists(below));
  CHECK_OPEN_FAILS(NULL, TCSYNC_INVALID_ARGUMENT, "must_exist");
  options.must_exist = 0;
  CHECK_OK(tcsync_replica_open(below, &options, &replica, &error));
  add_task(replica, TASK_A, "one");
  tcsync_replica_free(replica);
  options.must_exist = 1;
  CHECK_OK(tcsync_replica_open(below, &options, &replica, &error));
  check_task_count(replica, 1);
  tcsync_replica_free(replica);
  options.must_exist = 0;

  CHECK_OPEN_FAILS("", TCSYNC_INVALID_ARGUMENT, "empty");
  options.busy_timeout_ms = -1;
  CHECK_OPEN_FAILS(below, TCSYNC_INVALID_OPTION_VALUE, "-1");
  options.busy_timeout_ms = 86400001;
  CHECK_OPEN_FAILS(below, TCSYNC_INVALID_OPTION_VALUE, "86400001");
  options.busy_timeout_ms = 86400000;
  options.struct_size = offsetof(tcsync_replica_options, copy) - 1;
  CHECK_OPEN_FAILS(below, TCSYNC_INVALID_ARGUMENT, "struct_size");
  options.struct_size = sizeof(options);
  CHECK_NEEDS(tcsync_replica_open(below, &options, NULL, &error), "replica");

  database = open_database(below);
  execute(database, "UPDATE version SET major = 99");
  sqlite3_close(database);
  CHECK_OPEN_FAILS(below, TCSYNC_WRONG_FORMAT, "99");
  join_path(path, directory, "taskchampion.sqlite3");
  write_file(path, "This file is not a database, though it has its name.", 52);
  CHECK_OPEN_FAILS(directory, TCSYNC_WRONG_FORMAT, path);
  /* A file is no directory. */
  CHECK_OPEN_FAILS(path, TCSYNC_SYSTEM, path);
#undef CHECK_OPEN_FAILS
  tcsync_replica_free(NULL);
  remove_directory(directory);
}

static void a_database_that_another_program_holds_is_in_use(void) {
  char directory[PATH_BYTES];
  tcsync_replica_options options;
  tcsync_replica* replica = NULL;
  tcsync_operation operation = create_task(TASK_A);
  sqlite3* database = NULL;
  make_directory(directory);
  memset(&options, 0, sizeof(options));
  options.struct_size = sizeof(options);
  options.busy_timeout_ms = 1;
  CHECK_OK(tcsync_replica_open(directory, &options, &replica, &error));
  database = open_database(directory);
  execute(database, "BEGIN IMMEDIATE");
  CHECK_FAILS(tcsync_replica_commit(replica, &operation, 1, &error), TCSYNC_IN_USE,
              "another program");
  CHECK_FAILS(tcsync_replica_rebuild_working_set(replica, 0, &error), TCSYNC_IN_USE,
              "another program");
  check_task_count(replica, 0);
  execute(database, "COMMIT");
  CHECK_OK(tcsync_replica_commit(replica, &operation, 1, &error));
  check_task_count(replica, 1);
  sqlite3_close(database);
  tcsync_replica_free(replica);
  remove_directory(directory);
}

static void damaged_records_are_reported(void) {
  char directory[PATH_BYTES];
  char poison = 0;
  tcsync_replica* replica = NULL;
  tcsync_tasks* tasks = (tcsync_tasks*)(void*)&poison;
  tcsync_operations* operations = (tcsync_operations*)(void*)&poison;
  sqlite3* database = NULL;
  make_directory(directory);
  replica = open_replica(directory);
  add_task(replica, TASK_A, "one");
  database = open_database(directory);
  execute(database, "UPDATE tasks SET data = '{'; UPDATE operations SET data = '{}'");
  sqlite3_close(database);
  CHECK_FAILS(tcsync_replica_tasks(replica, NULL, &tasks, &error), TCSYNC_DATA_LOSS,
              "record 1 of tasks");
  CHECK(tasks == NULL);
  CHECK_FAILS(
      tcsync_replica_operations(replica, TCSYNC_OPERATIONS_PENDING, NULL, &operations, &error),
      TCSYNC_DATA_LOSS, "operation");
  CHECK(operations == NULL);
  tcsync_replica_free(replica);
  remove_directory(directory);
}

static void random_uuids_name_new_tasks(void) {
  tcsync_uuid one;
  tcsync_uuid other;
  tcsync_replica* replica = open_replica(NULL);
  CHECK_OK(tcsync_uuid_random(&one, &error));
  CHECK_OK(tcsync_uuid_random(&other, &error));
  CHECK(strcmp(one.text, other.text) != 0);
  CHECK_INT(one.text[14], '4');
  add_task(replica, one.text, "one");
  add_task(replica, other.text, "other");
  check_task_count(replica, 2);
  CHECK_NEEDS(tcsync_uuid_random(NULL, &error), "uuid");
  tcsync_replica_free(replica);
}

static void results_fill_only_the_callers_fields(void) {
  tcsync_replica* replica = open_replica(NULL);
  struct {
    tcsync_replica_state state;
    char behind[8];
  } later;
  tcsync_tasks* tasks = NULL;
  tcsync_operations* operations = NULL;
  tcsync_task task;
  tcsync_operation operation;
  add_task(replica, TASK_A, "one");
  tasks = read_tasks(replica, NULL);
  operations = read_operations(replica, TCSYNC_OPERATIONS_PENDING, NULL);
  memset(&later, 0x5a, sizeof(later));
  later.state.struct_size = sizeof(later.state) + 7;
  CHECK_OK(tcsync_replica_get_state(replica, &later.state, &error));
  CHECK_INT(later.state.struct_size, sizeof(later.state) + 7);
  CHECK_INT(later.behind[6], 0);
  CHECK_INT(later.behind[7], 0x5a);
  memset(&task, 0x5a, sizeof(task));
  CHECK_FAILS(tcsync_tasks_get(tasks, 0, &task, &error), TCSYNC_INVALID_ARGUMENT, "struct_size");
  task.struct_size = offsetof(tcsync_task, property_count);
  CHECK_OK(tcsync_tasks_get(tasks, 0, &task, &error));
  CHECK_INT(task.working_set_number, 0);
  CHECK_INT(task.task_id.text[0], 0x5a);
  memset(&operation, 0x5a, sizeof(operation));
  operation.struct_size = offsetof(tcsync_operation, nanoseconds);
  CHECK_OK(tcsync_operations_get(operations, 1, &operation, &error));
  CHECK_TEXT(operation.task_id.text, TASK_A);
  CHECK_INT(operation.nanoseconds, 0x5a5a5a5a);
  /* After a failure they have no result. */
  operation.struct_size = sizeof(operation);
  CHECK_FAILS(tcsync_operations_get(operations, 2, &operation, &error), TCSYNC_INVALID_ARGUMENT,
              "operation 2");
  CHECK_INT(operation.struct_size, sizeof(operation));
  CHECK(operation.kind == 0 && operation.property == NULL);
  tcsync_operations_free(operations);
  tcsync_tasks_free(tasks);
  tcsync_replica_free(replica);
}

static void calls_check_their_arguments(void) {
  tcsync_replica* replica = open_replica(NULL);
  tcsync_tasks* tasks = read_tasks(replica, NULL);
  tcsync_operations* operations = read_operations(replica, TCSYNC_OPERATIONS_PENDING, NULL);
  tcsync_tasks* read = NULL;
  tcsync_operations* found = NULL;
  tcsync_property property;
  tcsync_task task;
  tcsync_operation operation = create_task(TASK_A);
  tcsync_replica_state state;
  int32_t was_undone = 0;
  task.struct_size = sizeof(task);
  state.struct_size = sizeof(state);
  CHECK_NEEDS(tcsync_replica_commit(NULL, &operation, 1, &error), "replica");
  CHECK_NEEDS(tcsync_replica_tasks(NULL, NULL, &read, &error), "replica");
  CHECK_NEEDS(tcsync_replica_tasks(replica, NULL, NULL, &error), "tasks");
  CHECK_FAILS(tcsync_replica_tasks(replica, "abc", &read, &error), TCSYNC_INVALID_UUID, "'abc'");
  CHECK_NEEDS(tcsync_tasks_get(NULL, 0, &task, &error), "tasks");
  CHECK_NEEDS(tcsync_tasks_get(tasks, 0, NULL, &error), "task");
  CHECK_FAILS(tcsync_tasks_get(tasks, 0, &task, &error), TCSYNC_INVALID_ARGUMENT, "task 0");
  CHECK_NEEDS(tcsync_tasks_property(NULL, 0, 0, &property, &error), "tasks");
  CHECK_NEEDS(tcsync_tasks_property(tasks, 0, 0, NULL, &error), "property");
  CHECK_FAILS(tcsync_tasks_property(tasks, 0, 0, &property, &error), TCSYNC_INVALID_ARGUMENT,
              "task 0");
#define READ(r, which, id, out) tcsync_replica_operations(r, which, id, out, &error)
  CHECK_NEEDS(READ(NULL, TCSYNC_OPERATIONS_PENDING, NULL, &found), "replica");
  CHECK_NEEDS(READ(replica, TCSYNC_OPERATIONS_PENDING, NULL, NULL), "operations");
  CHECK_NEEDS(READ(replica, TCSYNC_OPERATIONS_OF_TASK, NULL, &found), "task_id");
  CHECK_FAILS(READ(replica, TCSYNC_OPERATIONS_OF_TASK, "abc", &found), TCSYNC_INVALID_UUID,
              "'abc'");
  CHECK_FAILS(READ(replica, TCSYNC_OPERATIONS_UNDOABLE, TASK_A, &found), TCSYNC_INVALID_ARGUMENT,
              "task_id");
  CHECK_FAILS(READ(replica, 0, NULL, &found), TCSYNC_INVALID_ARGUMENT, "'which' is 0");
  CHECK_FAILS(READ(replica, 4, NULL, &found), TCSYNC_INVALID_ARGUMENT, "'which' is 4");
#undef READ
  CHECK_NEEDS(tcsync_operations_get(NULL, 0, &operation, &error), "operations");
  CHECK_NEEDS(tcsync_operations_get(operations, 0, NULL, &error), "operation");
  CHECK_NEEDS(tcsync_operations_old_property(NULL, 0, 0, &property, &error), "operations");
  CHECK_NEEDS(tcsync_operations_old_property(operations, 0, 0, NULL, &error), "property");
  CHECK_NEEDS(tcsync_replica_undo(NULL, operations, &was_undone, &error), "replica");
  CHECK_NEEDS(tcsync_replica_undo(replica, NULL, &was_undone, &error), "operations");
  CHECK_NEEDS(tcsync_replica_undo(replica, operations, NULL, &error), "was_undone");
  CHECK_OK(tcsync_replica_undo(replica, operations, &was_undone, &error));
  CHECK_INT(was_undone, 0);
  CHECK_NEEDS(tcsync_replica_rebuild_working_set(NULL, 0, &error), "replica");
  CHECK_NEEDS(tcsync_replica_get_state(NULL, &state, &error), "replica");
  CHECK_NEEDS(tcsync_replica_get_state(replica, NULL, &error), "state");
  CHECK_INT(tcsync_tasks_count(NULL), 0);
  CHECK_INT(tcsync_operations_count(NULL), 0);
  tcsync_tasks_free(NULL);
  tcsync_operations_free(NULL);
  tcsync_tasks_free(tasks);
  tcsync_operations_free(operations);
  tcsync_replica_free(replica);
}

int main(void) {
  RUN(tasks_are_created_changed_and_deleted, "a program loses a person's tasks or changes them");
  RUN(a_single_task_is_found_or_not, "a program shows another task than the one that it asked for");
  RUN(operations_are_read_as_they_were_committed,
      "a program shows another history of a task than it has");
  RUN(an_undo_reverts_the_last_group_of_operations,
      "an undo reverts less than a person's last change, or more");
  RUN(the_working_set_is_rebuilt, "a person's command changes the task of another number");
  RUN(invalid_operations_are_refused_with_their_index,
      "the author of a binding looks for one bad operation among thousands");
  RUN(operations_of_a_later_header_are_accepted_or_refused,
      "a program with a later header writes garbage into the tasks");
  RUN(opening_checks_the_directory_and_its_arguments,
      "a mistyped directory becomes an empty replica, or a foreign file is overwritten");
  RUN(a_database_that_another_program_holds_is_in_use,
      "a program reports damage when Taskwarrior is merely busy");
  RUN(damaged_records_are_reported, "damaged tasks look like tasks that are gone");
  RUN(random_uuids_name_new_tasks, "two new tasks become one");
  RUN(results_fill_only_the_callers_fields,
      "programs with an older header have memory overwritten");
  RUN(calls_check_their_arguments, "a mistake in a binding crashes the program");
  return check_exit_status();
}
