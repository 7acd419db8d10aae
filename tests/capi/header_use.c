/* Compiled by header_test.sh in every supported dialect of C and C++: includes the header twice and
 * uses every macro, which no other test compiles in those dialects. */
#include "tcsync.h"

static const tcsync_code kCodes[] = {
    TCSYNC_OK,
    TCSYNC_INVALID_ARGUMENT,
    TCSYNC_OUT_OF_MEMORY,
    TCSYNC_INTERNAL,
    TCSYNC_SYSTEM,
    TCSYNC_IN_USE,
    TCSYNC_UNAVAILABLE,
    TCSYNC_WRONG_FORMAT,
    TCSYNC_DATA_LOSS,
    TCSYNC_UNSUPPORTED,
    TCSYNC_UNSEAL_FAILED,
    TCSYNC_REMOTE_FAILED,
    TCSYNC_CANCELLED,
    TCSYNC_SYNC_FAILED,
    TCSYNC_NULL_ARGUMENT,
    TCSYNC_UNKNOWN_OPTION,
    TCSYNC_INVALID_OPTION_VALUE,
    TCSYNC_INVALID_UUID,
    TCSYNC_INVALID_ADDRESS,
    TCSYNC_FORKED,
    TCSYNC_INVALID_OPERATION,
    TCSYNC_RESPONSE_INCOMPLETE,
    TCSYNC_REPLICA_MISSING,
    TCSYNC_UNSEAL_TRUNCATED,
    TCSYNC_UNSEAL_UNKNOWN_FORMAT,
    TCSYNC_UNSEAL_WRONG_KEY,
    TCSYNC_UNSEAL_NOT_AUTHENTIC,
    TCSYNC_REMOTE_NAME_NOT_RESOLVED,
    TCSYNC_REMOTE_CONNECTION_REFUSED,
    TCSYNC_REMOTE_NETWORK_FAILED,
    TCSYNC_REMOTE_TIMED_OUT,
    TCSYNC_REMOTE_PROXY_FAILED,
    TCSYNC_REMOTE_CERTIFICATE_EXPIRED,
    TCSYNC_REMOTE_CERTIFICATE_UNTRUSTED,
    TCSYNC_REMOTE_CERTIFICATE_WRONG_HOST,
    TCSYNC_REMOTE_NOT_TLS,
    TCSYNC_REMOTE_TLS_FAILED,
    TCSYNC_REMOTE_NOT_ALLOWED,
    TCSYNC_REMOTE_TOO_LARGE,
    TCSYNC_REMOTE_RATE_LIMITED,
    TCSYNC_REMOTE_REJECTED,
    TCSYNC_REMOTE_SERVER_UNAVAILABLE,
    TCSYNC_REMOTE_SERVER_FULL,
    TCSYNC_REMOTE_SERVER_FAILED,
    TCSYNC_REMOTE_REDIRECTED,
    TCSYNC_REMOTE_BROKEN_ANSWER,
    TCSYNC_REMOTE_ANSWER_TOO_LARGE,
    TCSYNC_SYNC_INVALID_VERSION,
    TCSYNC_SYNC_INVALID_SNAPSHOT,
    TCSYNC_SYNC_HISTORY_GONE,
    TCSYNC_SYNC_DIVERGED,
    TCSYNC_HOST_CODE_MAX,
};

/* The preprocessor can compare releases. */
#if TCSYNC_VERSION_NUMBER < 1000
#error TCSYNC_VERSION_NUMBER is smaller than that of the first release
#endif

tcsync_code use_codes(int index);
void use_functions(void);

tcsync_code use_codes(int index) {
  switch (TCSYNC_COARSE(kCodes[index])) {
    case TCSYNC_OK:
      return TCSYNC_LOG_DEBUG + TCSYNC_LOG_INFO + TCSYNC_LOG_WARNING + TCSYNC_LOG_ERROR;
    case TCSYNC_UNAVAILABLE:
      return TCSYNC_EVENT_NONE + TCSYNC_EVENT_RESPONSE + TCSYNC_EVENT_PIECE + TCSYNC_EVENT_READY +
             TCSYNC_EVENT_LOG + TCSYNC_EVENT_LOG_DROPPED + TCSYNC_EVENT_WAKE;
    case TCSYNC_UNSEAL_FAILED:
      return kCodes[index] == TCSYNC_UNSEAL_WRONG_KEY;
    case TCSYNC_REMOTE_FAILED:
      return TCSYNC_PROBE_HISTORY + TCSYNC_PROBE_EMPTY_HISTORY + TCSYNC_PROBE_NOT_ALLOWED +
             TCSYNC_PROBE_SYNC_SERVER + TCSYNC_PROBE_NOT_SYNC_SERVER + TCSYNC_OUTCOME_FOUND +
             TCSYNC_OUTCOME_UP_TO_DATE + TCSYNC_OUTCOME_GONE + TCSYNC_OUTCOME_ADDED +
             TCSYNC_OUTCOME_CONFLICT + TCSYNC_OUTCOME_NO_SNAPSHOT + TCSYNC_SNAPSHOT_URGENCY_NONE +
             TCSYNC_SNAPSHOT_URGENCY_LOW + TCSYNC_SNAPSHOT_URGENCY_HIGH;
    case TCSYNC_SYNC_FAILED:
      return TCSYNC_OPERATION_UNDO_POINT + TCSYNC_OPERATION_CREATE + TCSYNC_OPERATION_UPDATE +
             TCSYNC_OPERATION_DELETE + TCSYNC_OPERATIONS_PENDING + TCSYNC_OPERATIONS_UNDOABLE +
             TCSYNC_OPERATIONS_OF_TASK;
    default:
      return TCSYNC_VERSION_MAJOR + TCSYNC_VERSION_MINOR + TCSYNC_VERSION_PATCH;
  }
}

static void receive_record(void* user_data, const tcsync_log_record* record) {
  tcsync_header field;
  (void)user_data;
  (void)tcsync_log_record_level(record);
  (void)tcsync_log_record_text(record);
  (void)tcsync_log_record_message(record);
  (void)tcsync_log_record_field(record, tcsync_log_record_field_count(record), &field, NULL);
  (void)tcsync_log_record_field_value(record, "client");
}

static void receive_response(void* user_data, tcsync_response* response) {
  (void)user_data;
  tcsync_response_free(response);
}

static int32_t receive_progress(void* user_data, const tcsync_sync_progress* progress) {
  (void)user_data;
  return progress->received_versions > 1000;
}

static void use_replica(tcsync_remote* remote) {
  tcsync_replica* replica = NULL;
  tcsync_replica_options options;
  tcsync_operation operation;
  tcsync_tasks* tasks = NULL;
  tcsync_task task;
  tcsync_property property;
  tcsync_operations* operations = NULL;
  tcsync_replica_state state;
  tcsync_sync_options sync_options;
  tcsync_sync_report report;
  tcsync_join_options join_options;
  tcsync_join_report join_report;
  tcsync_error* error = NULL;
  int32_t was_undone = 0;
  options.struct_size = sizeof(options);
  operation.struct_size = sizeof(operation);
  task.struct_size = sizeof(task);
  state.struct_size = sizeof(state);
  sync_options.struct_size = sizeof(sync_options);
  sync_options.progress = receive_progress;
  report.struct_size = sizeof(report);
  (void)tcsync_uuid_random(&operation.task_id, &error);
  (void)tcsync_replica_open(NULL, &options, &replica, &error);
  (void)tcsync_replica_commit(replica, &operation, 1, &error);
  (void)tcsync_replica_tasks(replica, NULL, &tasks, &error);
  (void)tcsync_tasks_get(tasks, tcsync_tasks_count(tasks), &task, &error);
  (void)tcsync_tasks_property(tasks, 0, task.property_count, &property, &error);
  tcsync_tasks_free(tasks);
  (void)tcsync_replica_operations(replica, TCSYNC_OPERATIONS_PENDING, NULL, &operations, &error);
  (void)tcsync_operations_get(operations, tcsync_operations_count(operations), &operation, &error);
  (void)tcsync_operations_old_property(operations, 0, 0, &property, &error);
  (void)tcsync_replica_undo(replica, operations, &was_undone, &error);
  tcsync_operations_free(operations);
  (void)tcsync_replica_rebuild_working_set(replica, 0, &error);
  (void)tcsync_replica_get_state(replica, &state, &error);
  (void)tcsync_replica_sync(replica, remote, &sync_options, &report, &error);
  join_options.struct_size = sizeof(join_options);
  join_report.struct_size = sizeof(join_report);
  (void)tcsync_replica_join(replica, replica, &join_options, &join_report, &operations, &error);
  tcsync_replica_free(replica);
}

void use_functions(void) {
  tcsync_config* config = NULL;
  tcsync_engine* engine = NULL;
  tcsync_error* error = NULL;
  tcsync_bytes* value = NULL;
  tcsync_response* response = NULL;
  tcsync_request request;
  tcsync_queue* queue = NULL;
  tcsync_event event;
  tcsync_pending* pending = NULL;
  tcsync_bytes* bytes = NULL;
  tcsync_remote* remote = NULL;
  tcsync_remote_options options;
  tcsync_probe probe;
  tcsync_uuid version_id;
  request.struct_size = sizeof(request);
  if (tcsync_version_number() < TCSYNC_VERSION_NUMBER || !tcsync_has("server")) return;
  (void)tcsync_config_set_log(config, receive_record, NULL, &error);
  (void)tcsync_engine_handle_async(engine, &request, receive_response, NULL, &error);
  event.struct_size = sizeof(event);
  (void)tcsync_queue_new(&queue, &error);
  (void)tcsync_queue_descriptor(queue);
  (void)tcsync_queue_next(queue, 0, &event, &error);
  tcsync_queue_wake(queue);
  tcsync_log_record_free(event.record);
  (void)tcsync_config_set_log_queue(config, queue, &error);
  (void)tcsync_engine_handle_queued(engine, &request, queue, NULL, &error);
  (void)tcsync_engine_begin(engine, &request, &pending, &response, &error);
  (void)tcsync_pending_append(pending, "", 0, &response, &error);
  (void)tcsync_pending_append_queued(pending, "", 0, queue, NULL, &error);
  (void)tcsync_pending_finish(pending, &response, &error);
  (void)tcsync_pending_finish_queued(pending, queue, NULL, &error);
  tcsync_pending_free(pending);
  (void)tcsync_response_body_size(response);
  (void)tcsync_response_read(response, &bytes, &error);
  (void)tcsync_response_read_queued(response, queue, NULL, &error);
  tcsync_queue_free(queue);
  options.struct_size = sizeof(options);
  probe.struct_size = sizeof(probe);
  version_id.text[0] = '\0';
  (void)tcsync_config_get(config, "storage", &value, &error);
  (void)tcsync_engine_option(engine, "storage", &value, &error);
  (void)tcsync_monitor(engine, &request, &response, &error);
  (void)tcsync_remote_open("", version_id.text, NULL, &options, &remote, &error);
  (void)tcsync_remote_probe(remote, &probe, &error);
  tcsync_remote_cancel(remote);
  tcsync_remote_resume(remote);
  use_replica(remote);
}
