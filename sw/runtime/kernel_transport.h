// The transport over the kernel driver's character device.
#pragma once

#include <memory>
#include <string>

#include "runtime/kernel_file.h"
#include "runtime/transport.h"

namespace rdu::runtime {

// `open` opens the node again for each context; `name` names it in errors; `timeout`: for room in a queue.
std::unique_ptr<Transport> make_kernel_transport(OpenKernelFile open, const std::string& name,
                                                 Milliseconds timeout);

// Of the node at a path.
std::unique_ptr<Transport> open_kernel_transport(const std::string& path, Milliseconds timeout);

}  // namespace rdu::runtime
