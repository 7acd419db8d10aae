#include "server/credentials.h"

#include <algorithm>
#include <cstdio>
#include <string>
#include <string_view>
#include <utility>

#include "server/concat.h"
#include "server/configuration.h"
#include "server/owned_handles.h"

namespace tcsync::server {
namespace {

// `url`, refused if Taskwarrior could not use it or it would not be one line of taskrc.
std::string CheckedUrl(const std::string& url) {
  const size_t host = url.starts_with("http://") ? 7 : url.starts_with("https://") ? 8 : 0;
  const bool has_host = host != 0 && url.size() > host && url[host] != '/';
  // Taskwarrior takes the rest of a line behind # for a comment.
  const bool has_other = std::any_of(url.begin(), url.end(), [](unsigned char byte) {
    return byte <= ' ' || byte == 0x7f || byte == '#';
  });
  if (!has_host || has_other) {
    throw Failure(kExitUsage,
                  Concat({"--url: '", url, "' is not a URL like https://tasks.example.org"}));
  }
  return url;
}

// `url` with a slash behind its path, if it has one. Taskwarrior 3.1 to 3.4 drop what follows the
// last slash of a path.
std::string WithSlash(std::string url) {
  const size_t host = url.find("://") + 3;
  const bool has_path = url.find('/', host) != std::string::npos;
  if (has_path && !url.ends_with('/') && url.find('?') == std::string::npos) url += '/';
  return url;
}

// The URL by which a client on this machine reaches a server with these settings; "" when only the
// running server knows it.
std::string LocalUrl(const Settings& flags) {
  const std::string listen = EffectiveText(flags, "listen");
  std::string base_path = EffectiveText(flags, "base-path");
  while (base_path.ends_with('/')) base_path.pop_back();
  std::string_view rest = listen;
  while (!rest.empty()) {
    const size_t comma = rest.find(',');
    std::string address(rest.substr(0, comma));
    rest.remove_prefix(comma == std::string_view::npos ? rest.size() : comma + 1);
    address.erase(0, address.find_first_not_of(" \t"));
    if (address.starts_with("unix:") || address.ends_with(":0")) continue;
    for (const std::string_view any : {"0.0.0.0:", "[::]:"}) {
      if (address.starts_with(any)) address.replace(0, any.size(), "localhost:");
    }
    address.erase(address.find_last_not_of(" \t") + 1);
    const bool has_tls = !EffectiveText(flags, "tls-cert").empty();
    return Concat({has_tls ? "https://" : "http://", address, base_path});
  }
  return "";
}

}  // namespace

void PrintCredentials(const CommandLine& command_line) {
  // Made only to report a mistake now instead of at the server's start.
  const Config config = MakeConfig(command_line.settings);
  std::string url =
      command_line.url.empty() ? LocalUrl(command_line.settings) : CheckedUrl(command_line.url);
  if (url.empty()) {
    std::puts("# URL: the address that the server logs at its start");
    url = "URL";
  } else {
    url = WithSlash(std::move(url));
  }

  tcsync_bytes* raw_client_id = nullptr;
  tcsync_bytes* raw_secret = nullptr;
  Call(tcsync_credentials_generate, &raw_client_id, &raw_secret);
  const Bytes client_id(raw_client_id);
  const Bytes secret(raw_secret);
  std::printf("sync.server.url=%s\n", url.c_str());
  std::printf("sync.server.client_id=%s\n", tcsync_bytes_data(client_id.get()));
  std::printf("sync.encryption_secret=%s\n", tcsync_bytes_data(secret.get()));
}

}  // namespace tcsync::server
