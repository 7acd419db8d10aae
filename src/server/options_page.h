// docs/options.md, written from the library's table: `tcsync-server options > docs/options.md`.
#ifndef TCSYNC_SRC_SERVER_OPTIONS_PAGE_H_
#define TCSYNC_SRC_SERVER_OPTIONS_PAGE_H_

#include <string>

namespace tcsync::server {

std::string OptionsPage();

}  // namespace tcsync::server

#endif  // TCSYNC_SRC_SERVER_OPTIONS_PAGE_H_
