#include "replica/store.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "replica/operation_json.h"

namespace tcsync::replica {
namespace {

constexpr absl::string_view kUndoPointJson = "\"UndoPoint\"";

}  // namespace

absl::Status Store::Damaged(absl::string_view record, const absl::Status& problem) const {
  return absl::DataLossError(absl::StrCat("the database ", connection_->path(), ": ", record, " ",
                                          problem.message(),
                                          ": restore the file from a copy, or "
                                          "move it away and sync"));
}

absl::StatusOr<std::optional<TaskProperties>> Store::GetTask(const Uuid& task_id) {
  Statement statement = connection_->Prepare("SELECT data FROM tasks WHERE uuid = ?1");
  const absl::StatusOr<bool> has_row = statement.Bind(1, task_id).Step();
  if (!has_row.ok()) return has_row.status();
  if (!*has_row) return std::nullopt;
  absl::StatusOr<TaskProperties> properties = ParseProperties(statement.Text(0));
  if (!properties.ok()) {
    return Damaged(absl::StrCat("the task ", task_id.ToString()), properties.status());
  }
  return *std::move(properties);
}

absl::StatusOr<std::vector<Task>> Store::GetTasks() {
  std::vector<Task> tasks;
  Statement statement = connection_->Prepare("SELECT rowid, uuid, data FROM tasks ORDER BY rowid");
  while (true) {
    const absl::StatusOr<bool> has_row = statement.Step();
    if (!has_row.ok()) return has_row.status();
    if (!*has_row) return tasks;
    const std::string record = absl::StrCat("the record ", statement.Number(0), " of tasks");
    const std::optional<Uuid> id = Uuid::Parse(statement.Text(1));
    if (!id) return Damaged(record, absl::InvalidArgumentError("has a malformed uuid"));
    absl::StatusOr<TaskProperties> properties = ParseProperties(statement.Text(2));
    if (!properties.ok()) return Damaged(record, properties.status());
    tasks.push_back({*id, *std::move(properties)});
  }
}

absl::StatusOr<size_t> Store::CountTasks() {
  Statement statement = connection_->Prepare("SELECT count(*) FROM tasks");
  const absl::StatusOr<bool> has_row = statement.Step();
  if (!has_row.ok()) return has_row.status();
  return static_cast<size_t>(statement.Number(0));
}

absl::Status Store::PutTask(const Uuid& task_id, const TaskProperties& properties) {
  const std::string json = FormatProperties(properties);
  // Not REPLACE, which would give the task a new place in the order of arrival.
  return connection_
      ->Prepare(
          "INSERT INTO tasks (uuid, data) VALUES (?1, ?2)"
          " ON CONFLICT (uuid) DO UPDATE SET data = ?2")
      .Bind(1, task_id)
      .Bind(2, json)
      .Run();
}

absl::Status Store::RemoveTask(const Uuid& task_id) {
  return connection_->Prepare("DELETE FROM tasks WHERE uuid = ?1").Bind(1, task_id).Run();
}

absl::StatusOr<Uuid> Store::GetBaseVersion() {
  Statement statement =
      connection_->Prepare("SELECT value FROM sync_meta WHERE key = 'base_version'");
  const absl::StatusOr<bool> has_row = statement.Step();
  if (!has_row.ok()) return has_row.status();
  if (!*has_row) return Uuid();
  const std::optional<Uuid> id = Uuid::Parse(statement.Text(0));
  if (!id) return Damaged("base_version", absl::InvalidArgumentError("is a malformed uuid"));
  return *id;
}

absl::Status Store::SetBaseVersion(const Uuid& version_id) {
  return connection_
      ->Prepare("INSERT OR REPLACE INTO sync_meta (key, value) VALUES ('base_version', ?1)")
      .Bind(1, version_id)
      .Run();
}

absl::Status Store::ReadOperations(Statement& statement,
                                   absl::FunctionRef<void(int64_t id, Operation operation)> add) {
  while (true) {
    const absl::StatusOr<bool> has_row = statement.Step();
    if (!has_row.ok()) return has_row.status();
    if (!*has_row) return absl::OkStatus();
    absl::StatusOr<Operation> operation = ParseStoredOperation(statement.Text(1));
    if (!operation.ok()) {
      return Damaged(absl::StrCat("the operation ", statement.Number(0)), operation.status());
    }
    add(statement.Number(0), *std::move(operation));
  }
}

absl::StatusOr<std::vector<PendingOperation>> Store::GetPendingOperations() {
  std::vector<PendingOperation> operations;
  Statement statement =
      connection_->Prepare("SELECT id, data FROM operations WHERE NOT synced ORDER BY id");
  const absl::Status status = ReadOperations(statement, [&](int64_t id, Operation operation) {
    operations.push_back({id, std::move(operation)});
  });
  if (!status.ok()) return status;
  return operations;
}

absl::StatusOr<std::vector<Operation>> Store::GetOperationsOf(const Uuid& task_id) {
  std::vector<Operation> operations;
  Statement statement =
      connection_->Prepare("SELECT id, data FROM operations WHERE uuid = ?1 ORDER BY id");
  const absl::Status status = ReadOperations(
      statement.Bind(1, task_id),
      [&](int64_t, Operation operation) { operations.push_back(std::move(operation)); });
  if (!status.ok()) return status;
  return operations;
}

absl::StatusOr<std::vector<Operation>> Store::GetOperations() {
  std::vector<Operation> operations;
  Statement statement = connection_->Prepare("SELECT id, data FROM operations ORDER BY id");
  const absl::Status status = ReadOperations(
      statement, [&](int64_t, Operation operation) { operations.push_back(std::move(operation)); });
  if (!status.ok()) return status;
  return operations;
}

absl::StatusOr<std::pair<size_t, size_t>> Store::CountPendingOperations() {
  Statement statement = connection_->Prepare(
      "SELECT count(*), coalesce(sum(data = ?1), 0) FROM operations WHERE NOT synced");
  const absl::StatusOr<bool> has_row = statement.Bind(1, kUndoPointJson).Step();
  if (!has_row.ok()) return has_row.status();
  const auto all = static_cast<size_t>(statement.Number(0));
  const auto undo_points = static_cast<size_t>(statement.Number(1));
  return std::make_pair(all - undo_points, undo_points);
}

absl::Status Store::AddOperation(const Operation& operation, bool is_synced) {
  const std::string json = FormatStoredOperation(operation);
  return connection_->Prepare("INSERT INTO operations (data, synced) VALUES (?1, ?2)")
      .Bind(1, json)
      .Bind(2, int64_t{is_synced ? 1 : 0})
      .Run();
}

absl::StatusOr<bool> Store::MarkSynced(int64_t operation_id) {
  const absl::Status status =
      connection_->Prepare("UPDATE operations SET synced = true WHERE id = ?1 AND NOT synced")
          .Bind(1, operation_id)
          .Run();
  if (!status.ok()) return status;
  return connection_->changes() == 1;
}

absl::Status Store::MarkUndoPointsSyncedUpTo(int64_t operation_id) {
  return connection_
      ->Prepare("UPDATE operations SET synced = true WHERE NOT synced AND id <= ?1 AND data = ?2")
      .Bind(1, operation_id)
      .Bind(2, kUndoPointJson)
      .Run();
}

absl::Status Store::ReplaceOperation(int64_t operation_id, const Operation& operation) {
  const std::string json = FormatStoredOperation(operation);
  return connection_->Prepare("UPDATE operations SET data = ?2 WHERE id = ?1")
      .Bind(1, operation_id)
      .Bind(2, json)
      .Run();
}

absl::Status Store::RemoveOperation(int64_t operation_id) {
  return connection_->Prepare("DELETE FROM operations WHERE id = ?1").Bind(1, operation_id).Run();
}

absl::Status Store::RemoveOrphanedOperations() {
  // This form has SQLite walk through the index of the operations' tasks. In others it computes the
  // task of every operation from its JSON, which takes ten times as long, at each sync. The sign
  // keeps it from the index of `synced`, which nearly all operations are.
  return connection_->Execute(
      "DELETE FROM operations WHERE +synced AND uuid IN (SELECT uuid FROM operations GROUP BY uuid"
      " HAVING NOT EXISTS (SELECT 1 FROM tasks WHERE tasks.uuid = operations.uuid))");
}

absl::Status Store::Clear() {
  return connection_->Execute("DELETE FROM operations; DELETE FROM tasks");
}

absl::StatusOr<std::map<uint64_t, Uuid>> Store::GetWorkingSet() {
  std::map<uint64_t, Uuid> working_set;
  Statement statement = connection_->Prepare("SELECT id, uuid FROM working_set WHERE id > 0");
  while (true) {
    const absl::StatusOr<bool> has_row = statement.Step();
    if (!has_row.ok()) return has_row.status();
    if (!*has_row) return working_set;
    const std::optional<Uuid> id = Uuid::Parse(statement.Text(1));
    if (!id) {
      return Damaged(absl::StrCat("the number ", statement.Number(0), " of the working set"),
                     absl::InvalidArgumentError("has a malformed uuid"));
    }
    working_set.emplace(static_cast<uint64_t>(statement.Number(0)), *id);
  }
}

absl::Status Store::PutInWorkingSet(uint64_t number, const Uuid& task_id) {
  return connection_->Prepare("INSERT OR REPLACE INTO working_set (id, uuid) VALUES (?1, ?2)")
      .Bind(1, static_cast<int64_t>(number))
      .Bind(2, task_id)
      .Run();
}

absl::Status Store::RemoveFromWorkingSet(uint64_t number) {
  return connection_->Prepare("DELETE FROM working_set WHERE id = ?1")
      .Bind(1, static_cast<int64_t>(number))
      .Run();
}

absl::StatusOr<bool> Store::IsEmpty() {
  const absl::StatusOr<Uuid> base = GetBaseVersion();
  if (!base.ok()) return base.status();
  Statement statement = connection_->Prepare(
      "SELECT EXISTS (SELECT 1 FROM tasks) OR EXISTS (SELECT 1 FROM working_set)"
      " OR EXISTS (SELECT 1 FROM operations WHERE NOT synced)");
  const absl::StatusOr<bool> has_row = statement.Step();
  if (!has_row.ok()) return has_row.status();
  return base->IsNil() && statement.Number(0) == 0;
}

absl::StatusOr<int64_t> Store::GetDataVersion() {
  Statement statement = connection_->Prepare("PRAGMA data_version");
  const absl::StatusOr<bool> has_row = statement.Step();
  if (!has_row.ok()) return has_row.status();
  return statement.Number(0);
}

}  // namespace tcsync::replica
