// The parts of a storage in PostgreSQL that its operations share.
#ifndef TCSYNC_SRC_STORAGE_POSTGRES_CORE_H_
#define TCSYNC_SRC_STORAGE_POSTGRES_CORE_H_

#include "storage/postgres/replica_notes.h"
#include "storage/postgres/sessions.h"
#include "storage/postgres/usage.h"
#include "storage/reader_pool.h"

namespace tcsync::postgres_storage {

struct Core {
  Sessions& sessions;
  Usage& usage;
  ReplicaNotes& notes;
  storage::ReaderPool& pool;
};

}  // namespace tcsync::postgres_storage

#endif  // TCSYNC_SRC_STORAGE_POSTGRES_CORE_H_
