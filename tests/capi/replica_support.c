#include "replica_support.h"

#include <string.h>

#include "check.h"

tcsync_replica* open_replica(const char* directory) {
  tcsync_replica* replica = NULL;
  CHECK_OK(tcsync_replica_open(directory, NULL, &replica, &error));
  return replica;
}

static tcsync_operation operation_of(int32_t kind, const char* task_id) {
  tcsync_operation operation;
  memset(&operation, 0, sizeof(operation));
  operation.struct_size = sizeof(operation);
  operation.kind = kind;
  strncpy(operation.task_id.text, task_id, sizeof(operation.task_id.text) - 1);
  return operation;
}

tcsync_operation undo_point(void) { return operation_of(TCSYNC_OPERATION_UNDO_POINT, ""); }

tcsync_operation create_task(const char* task_id) {
  return operation_of(TCSYNC_OPERATION_CREATE, task_id);
}

tcsync_operation update_task(const char* task_id, const char* property, const char* value) {
  return update_task_at(task_id, property, value, 0);
}

tcsync_operation update_task_at(const char* task_id, const char* property, const char* value,
                                int64_t seconds) {
  tcsync_operation operation = operation_of(TCSYNC_OPERATION_UPDATE, task_id);
  operation.property = property;
  operation.property_size = strlen(property);
  operation.value = value;
  operation.value_size = value == NULL ? 0 : strlen(value);
  operation.seconds = seconds;
  return operation;
}

tcsync_operation delete_task(const char* task_id) {
  return operation_of(TCSYNC_OPERATION_DELETE, task_id);
}

void commit_one(tcsync_replica* replica, tcsync_operation operation) {
  CHECK_OK(tcsync_replica_commit(replica, &operation, 1, &error));
}

void add_task(tcsync_replica* replica, const char* task_id, const char* description) {
  tcsync_operation operations[2];
  operations[0] = create_task(task_id);
  operations[1] = update_task(task_id, "description", description);
  CHECK_OK(tcsync_replica_commit(replica, operations, 2, &error));
}

tcsync_tasks* read_tasks(tcsync_replica* replica, const char* task_id) {
  tcsync_tasks* tasks = NULL;
  CHECK_OK(tcsync_replica_tasks(replica, task_id, &tasks, &error));
  return tasks;
}

tcsync_operations* read_operations(tcsync_replica* replica, int32_t which, const char* task_id) {
  tcsync_operations* operations = NULL;
  CHECK_OK(tcsync_replica_operations(replica, which, task_id, &operations, &error));
  return operations;
}

tcsync_task task_at(const tcsync_tasks* tasks, size_t index) {
  tcsync_task task;
  memset(&task, 0x5a, sizeof(task));
  task.struct_size = sizeof(task);
  CHECK_OK(tcsync_tasks_get(tasks, index, &task, &error));
  return task;
}

tcsync_operation operation_at(const tcsync_operations* operations, size_t index) {
  tcsync_operation operation;
  memset(&operation, 0x5a, sizeof(operation));
  operation.struct_size = sizeof(operation);
  CHECK_OK(tcsync_operations_get(operations, index, &operation, &error));
  return operation;
}

tcsync_replica_state state_of(tcsync_replica* replica) {
  tcsync_replica_state state;
  memset(&state, 0x5a, sizeof(state));
  state.struct_size = sizeof(state);
  CHECK_OK(tcsync_replica_get_state(replica, &state, &error));
  return state;
}

void check_property(tcsync_replica* replica, const char* task_id, const char* name,
                    const char* value) {
  tcsync_tasks* tasks = read_tasks(replica, task_id);
  const char* found = NULL;
  size_t i = 0;
  CHECK_INT(tcsync_tasks_count(tasks), 1);
  if (tcsync_tasks_count(tasks) == 1) {
    const tcsync_task task = task_at(tasks, 0);
    for (i = 0; i < task.property_count; ++i) {
      tcsync_property property;
      CHECK_OK(tcsync_tasks_property(tasks, 0, i, &property, &error));
      if (strcmp(property.name, name) == 0) found = property.value;
    }
  }
  CHECK_TEXT(found, value);
  tcsync_tasks_free(tasks);
}

void check_task_count(tcsync_replica* replica, int64_t count) {
  tcsync_tasks* tasks = read_tasks(replica, NULL);
  CHECK_INT(tcsync_tasks_count(tasks), count);
  CHECK_INT(state_of(replica).tasks, count);
  tcsync_tasks_free(tasks);
}
