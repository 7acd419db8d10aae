// Statements with their parameters, and their results, in PostgreSQL's binary format: integers are
// big-endian, a UUID is its 16 bytes, and bytes are themselves.
#ifndef TCSYNC_SRC_STORAGE_POSTGRES_STATEMENT_H_
#define TCSYNC_SRC_STORAGE_POSTGRES_STATEMENT_H_

#include <libpq-fe.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "tcsync/uuid.h"

namespace tcsync::postgres_storage {

// The text of a statement. There is one object for each text, because connections remember by its
// address which ones they have prepared.
struct Sql {
  const char* name;  // the beginning of the prepared statement's
  const char* text;
};

// A one-dimensional array as a parameter.
class ArrayParameter {
 public:
  static ArrayParameter OfUuids(size_t count);
  static ArrayParameter OfIntegers(size_t count);
  static ArrayParameter OfBytes(size_t count);
  static ArrayParameter OfTexts(size_t count);
  static ArrayParameter OfBooleans(size_t count);

  void Add(const Uuid& value) { AddBytes(value.AsStringView()); }
  void Add(int64_t value);
  void Add(uint64_t value) { Add(static_cast<int64_t>(value)); }
  void Add(bool value);
  void AddBytes(absl::string_view value);

 private:
  friend class Statement;
  ArrayParameter(Oid array_type, Oid element_type, size_t count);

  Oid type_;
  std::string bytes_;
};

// A statement whose parameters are added in the order of its $1, $2 and so on.
class Statement {
 public:
  explicit Statement(const Sql& sql) : sql_(&sql) {}

  Statement& Add(const Uuid& value);
  Statement& Add(int64_t value);
  Statement& Add(uint64_t value) { return Add(static_cast<int64_t>(value)); }
  Statement& Add(uint32_t value) { return Add(static_cast<int64_t>(value)); }
  Statement& Add(bool value);
  Statement& AddBytes(std::string value);
  Statement& AddText(std::string value);
  Statement& Add(ArrayParameter value);
  Statement& AddNullUuid();
  Statement& AddOptional(const std::optional<Uuid>& value) {
    return value ? Add(*value) : AddNullUuid();
  }

  const Sql& sql() const { return *sql_; }
  // Sends the statement, or with a null `name` as one that is not prepared. Whether libpq took it.
  bool Send(PGconn* connection, const char* name) const;
  // Sends the order to prepare it.
  bool SendPrepare(PGconn* connection, const char* name) const;

 private:
  Statement& AddParameter(Oid type, std::string value, bool is_null = false);

  const Sql* sql_;
  std::vector<Oid> types_;
  std::vector<std::string> values_;
  std::vector<bool> nulls_;
};

// The rows of one statement's result.
class Rows {
 public:
  explicit Rows(PGresult* result) : result_(result) {}

  int size() const { return PQntuples(result_.get()); }
  bool empty() const { return size() == 0; }
  // The rows that the statement inserted, changed or removed.
  uint64_t affected() const;

  bool IsNull(int row, int column) const { return PQgetisnull(result_.get(), row, column) != 0; }
  Uuid UuidAt(int row, int column) const;
  int64_t IntegerAt(int row, int column) const;
  uint64_t CountAt(int row, int column) const {
    return static_cast<uint64_t>(IntegerAt(row, column));
  }
  bool BooleanAt(int row, int column) const;
  absl::string_view BytesAt(int row, int column) const;
  std::optional<Uuid> OptionalUuidAt(int row, int column) const {
    if (IsNull(row, column)) return std::nullopt;
    return UuidAt(row, column);
  }

 private:
  struct Clear {
    void operator()(PGresult* result) const { PQclear(result); }
  };
  std::unique_ptr<PGresult, Clear> result_;
};

}  // namespace tcsync::postgres_storage

#endif  // TCSYNC_SRC_STORAGE_POSTGRES_STATEMENT_H_
