// What rdu-fw prints.
#pragma once

#include <string>

#include "tools/fw/device.h"
#include "tools/fw/image_file.h"

namespace rdu::fw {

// What the registers tell, in any state.
std::string status_listing(const BootStatus& status);
// What the firmware adds.
std::string firmware_listing(const rdu_log_firmware& firmware);
std::string image_line(const ImageFile& image);

}  // namespace rdu::fw
