// The place of an upload in a request to storage.
#ifndef TCSYNC_SRC_SYNC_RECEIVED_UPLOAD_H_
#define TCSYNC_SRC_SYNC_RECEIVED_UPLOAD_H_

#include <memory>
#include <string>
#include <utility>

#include "tcsync/storage.h"

namespace tcsync::sync {

// Puts it there: as bytes, if it was only collected because its storage does not take pieces.
inline void PutUpload(std::shared_ptr<Upload> received, std::string& bytes,
                      std::shared_ptr<Upload>& upload) {
  if (auto* const collected = dynamic_cast<UploadInMemory*>(received.get())) {
    bytes = collected->TakeBytes();
  } else {
    upload = std::move(received);
  }
}

}  // namespace tcsync::sync

#endif  // TCSYNC_SRC_SYNC_RECEIVED_UPLOAD_H_
