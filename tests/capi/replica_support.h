/* The common part of the tests of replicas. */
#ifndef TCSYNC_TESTS_CAPI_REPLICA_SUPPORT_H_
#define TCSYNC_TESTS_CAPI_REPLICA_SUPPORT_H_

#include "tcsync.h"

#define TASK_A "11111111-1111-4111-8111-111111111111"
#define TASK_B "22222222-2222-4222-8222-222222222222"
#define TASK_C "33333333-3333-4333-8333-333333333333"

/* A replica in `directory`, or with NULL in memory. */
tcsync_replica* open_replica(const char* directory);

/* Operations; the texts are borrowed. A NULL value removes the property. */
tcsync_operation undo_point(void);
tcsync_operation create_task(const char* task_id);
tcsync_operation update_task(const char* task_id, const char* property, const char* value);
/* The same at that time. */
tcsync_operation update_task_at(const char* task_id, const char* property, const char* value,
                                int64_t seconds);
tcsync_operation delete_task(const char* task_id);

/* Commits one operation, which must succeed. */
void commit_one(tcsync_replica* replica, tcsync_operation operation);
/* Creates a task with that description. */
void add_task(tcsync_replica* replica, const char* task_id, const char* description);

tcsync_tasks* read_tasks(tcsync_replica* replica, const char* task_id);
tcsync_operations* read_operations(tcsync_replica* replica, int32_t which, const char* task_id);
tcsync_task task_at(const tcsync_tasks* tasks, size_t index);
tcsync_operation operation_at(const tcsync_operations* operations, size_t index);
tcsync_replica_state state_of(tcsync_replica* replica);

/* Checks the value of a task's property; NULL if the task must not have it. */
void check_property(tcsync_replica* replica, const char* task_id, const char* name,
                    const char* value);
/* Checks how many tasks there are. */
void check_task_count(tcsync_replica* replica, int64_t count);

#endif /* TCSYNC_TESTS_CAPI_REPLICA_SUPPORT_H_ */
