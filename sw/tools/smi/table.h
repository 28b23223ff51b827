// The table that people read: 80 columns, ASCII.
#pragma once

#include <string>

#include "smi/sample.h"

namespace rdu::smi {

// `before`: the sample of the last interval; nullptr: utilisation is since power-on.
std::string table(const Sample& now, const Sample* before);

// "12.5 MiB": three digits, binary units.
std::string bytes_text(uint64_t bytes);
// "1.25 ms", "3.4 s", "2:05:09"
std::string time_text(uint64_t ns);

}  // namespace rdu::smi
