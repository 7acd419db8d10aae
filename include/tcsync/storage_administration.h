// An operator's interface to a storage, and the engine's on the operator's behalf. A backend
// implements all of it beside tcsync/storage.h; a part of the engine takes the interface it uses.
#ifndef TCSYNC_STORAGE_ADMINISTRATION_H_
#define TCSYNC_STORAGE_ADMINISTRATION_H_

#include "tcsync/access_records.h"
#include "tcsync/client_histories.h"
#include "tcsync/storage_figures.h"
#include "tcsync/storage_upkeep.h"

namespace tcsync {

// Thread-safe. Lives as long as its Storage.
class StorageAdministration : public StorageFigures,
                              public AccessRecordStorage,
                              public ClientHistories,
                              public StorageUpkeep {};

}  // namespace tcsync

#endif  // TCSYNC_STORAGE_ADMINISTRATION_H_
