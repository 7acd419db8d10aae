#include "server/administer.h"

namespace tcsync::server {

Response Administer(const tcsync_config* config, tcsync_engine* engine, std::string_view method,
                    std::string_view target, std::string_view body) {
  tcsync_request request{};
  request.struct_size = sizeof(request);
  request.method = method.data();
  request.method_size = method.size();
  request.target = target.data();
  request.target_size = target.size();
  request.body = body.data();
  request.body_size = body.size();
  tcsync_response* response = nullptr;
  Call(tcsync_administer, config, engine, static_cast<const tcsync_request*>(&request), &response);
  return Response(response);
}

}  // namespace tcsync::server
