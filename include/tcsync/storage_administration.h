// What an operator does with a storage, and the engine in the operator's name. A backend implements
// all of it beside tcsync/storage.h; a part of the engine takes the interface that it uses.
#ifndef TCSYNC_STORAGE_ADMINISTRATION_H_
#define TCSYNC_STORAGE_ADMINISTRATION_H_

#include "tcsync/access_records.h"
#include "tcsync/client_histories.h"
#include "tcsync/storage_figures.h"
#include "tcsync/storage_upkeep.h"

namespace tcsync {

// Thread-safe. Lives as long as the Storage that it was had from.
class StorageAdministration : public StorageFigures,
                              public AccessRecordStorage,
                              public ClientHistories,
                              public StorageUpkeep {};

}  // namespace tcsync

#endif  // TCSYNC_STORAGE_ADMINISTRATION_H_
