// What the firmware tells about the device's health, in librdu's words.
#pragma once

#include <string>

#include "rdu.h"
#include "rdu_abi.h"

namespace rdu::runtime {

rdu_device_event device_event_of(const rdu_log_event& event);
// One line for people.
std::string describe(const rdu_device_event& event);
std::string describe(const rdu_log_panic& panic);

}  // namespace rdu::runtime
