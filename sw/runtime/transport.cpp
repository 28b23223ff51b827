#include "runtime/transport.h"

#include <utility>

#include "runtime/address.h"
#include "runtime/kernel_transport.h"
#include "runtime/user_transport.h"

namespace rdu::runtime {

std::unique_ptr<Transport> open_transport(const std::string& text, Milliseconds timeout,
                                          std::function<void(const std::string&)> log) {
  const Address address = parse_address(text);
  if (address.kind == Address::Kind::kNode) return open_kernel_transport(address.path, timeout);
  return open_user_transport(address.path, timeout, std::move(log));
}

}  // namespace rdu::runtime
