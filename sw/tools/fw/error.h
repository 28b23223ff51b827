#pragma once

#include <stdexcept>

namespace rdu::fw {

// The user's file or the device's answer is not what it should be; what() is a sentence for the user.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace rdu::fw
