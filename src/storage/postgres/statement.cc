#include "storage/postgres/statement.h"

#include <type_traits>

#include "absl/strings/numbers.h"

namespace tcsync::postgres_storage {
namespace {

// The object IDs of PostgreSQL's types (src/include/catalog/pg_type.dat), which never change.
constexpr Oid kBoolean = 16;
constexpr Oid kBytes = 17;
constexpr Oid kInteger = 20;  // of 8 bytes
constexpr Oid kText = 25;
constexpr Oid kBooleans = 1000;
constexpr Oid kByteArrays = 1001;
constexpr Oid kTexts = 1009;
constexpr Oid kIntegers = 1016;
constexpr Oid kUuid = 2950;
constexpr Oid kUuids = 2951;

constexpr int kBinary = 1;

template <typename T>
void AppendBigEndian(T value, std::string& out) {
  const auto bits = static_cast<std::make_unsigned_t<T>>(value);
  for (size_t i = sizeof(T); i-- > 0;) out.push_back(static_cast<char>(bits >> (8 * i)));
}

std::string BigEndian(int64_t value) {
  std::string bytes;
  AppendBigEndian(value, bytes);
  return bytes;
}

}  // namespace

// An array is: the number of dimensions, whether there are nulls, the elements' type; then for each
// dimension its length and the index of the first element; then the elements, each behind its
// length.
ArrayParameter::ArrayParameter(Oid array_type, Oid element_type, size_t count) : type_(array_type) {
  AppendBigEndian<int32_t>(1, bytes_);
  AppendBigEndian<int32_t>(1, bytes_);
  AppendBigEndian<uint32_t>(element_type, bytes_);
  AppendBigEndian<uint32_t>(static_cast<uint32_t>(count), bytes_);
  AppendBigEndian<int32_t>(1, bytes_);
}

ArrayParameter ArrayParameter::OfUuids(size_t count) { return {kUuids, kUuid, count}; }
ArrayParameter ArrayParameter::OfIntegers(size_t count) { return {kIntegers, kInteger, count}; }
ArrayParameter ArrayParameter::OfBytes(size_t count) { return {kByteArrays, kBytes, count}; }
ArrayParameter ArrayParameter::OfTexts(size_t count) { return {kTexts, kText, count}; }
ArrayParameter ArrayParameter::OfBooleans(size_t count) { return {kBooleans, kBoolean, count}; }

void ArrayParameter::Add(int64_t value) {
  AppendBigEndian<int32_t>(sizeof value, bytes_);
  AppendBigEndian(value, bytes_);
}

void ArrayParameter::Add(bool value) {
  AppendBigEndian<int32_t>(1, bytes_);
  bytes_.push_back(value ? 1 : 0);
}

void ArrayParameter::AddBytes(absl::string_view value) {
  AppendBigEndian(static_cast<int32_t>(value.size()), bytes_);
  bytes_.append(value.data(), value.size());
}

Statement& Statement::AddParameter(Oid type, std::string value, bool is_null) {
  types_.push_back(type);
  values_.push_back(std::move(value));
  nulls_.push_back(is_null);
  return *this;
}

Statement& Statement::Add(const Uuid& value) {
  return AddParameter(kUuid, std::string(value.AsStringView()));
}
Statement& Statement::Add(int64_t value) { return AddParameter(kInteger, BigEndian(value)); }
Statement& Statement::Add(bool value) {
  return AddParameter(kBoolean, std::string(1, value ? '\1' : '\0'));
}
Statement& Statement::AddBytes(std::string value) { return AddParameter(kBytes, std::move(value)); }
Statement& Statement::AddText(std::string value) { return AddParameter(kText, std::move(value)); }
Statement& Statement::Add(ArrayParameter value) {
  return AddParameter(value.type_, std::move(value.bytes_));
}
Statement& Statement::AddNullUuid() { return AddParameter(kUuid, "", /*is_null=*/true); }

bool Statement::Send(PGconn* connection, const char* name) const {
  std::vector<const char*> values;
  std::vector<int> lengths;
  for (size_t i = 0; i < values_.size(); ++i) {
    values.push_back(nulls_[i] ? nullptr : values_[i].data());
    lengths.push_back(static_cast<int>(values_[i].size()));
  }
  const std::vector<int> formats(values_.size(), kBinary);
  const int count = static_cast<int>(values_.size());
  if (name != nullptr) {
    return PQsendQueryPrepared(connection, name, count, values.data(), lengths.data(),
                               formats.data(), kBinary) == 1;
  }
  return PQsendQueryParams(connection, sql_->text, count, types_.data(), values.data(),
                           lengths.data(), formats.data(), kBinary) == 1;
}

bool Statement::SendPrepare(PGconn* connection, const char* name) const {
  return PQsendPrepare(connection, name, sql_->text, static_cast<int>(types_.size()),
                       types_.data()) == 1;
}

uint64_t Rows::affected() const {
  uint64_t count = 0;
  static_cast<void>(absl::SimpleAtoi(PQcmdTuples(result_.get()), &count));  // empty: none
  return count;
}

Uuid Rows::UuidAt(int row, int column) const {
  const absl::string_view bytes = BytesAt(row, column);
  return bytes.size() == Uuid::kBytes ? Uuid::FromBytes(bytes.data()) : Uuid();
}

// Of any integer type.
int64_t Rows::IntegerAt(int row, int column) const {
  const absl::string_view bytes = BytesAt(row, column);
  uint64_t value = !bytes.empty() && (bytes[0] & 0x80) != 0 ? ~uint64_t{0} : 0;
  for (const char byte : bytes) value = value << 8 | static_cast<uint8_t>(byte);
  return static_cast<int64_t>(value);
}

bool Rows::BooleanAt(int row, int column) const { return BytesAt(row, column) == "\1"; }

absl::string_view Rows::BytesAt(int row, int column) const {
  return absl::string_view(PQgetvalue(result_.get(), row, column),
                           static_cast<size_t>(PQgetlength(result_.get(), row, column)));
}

}  // namespace tcsync::postgres_storage
