#pragma once

#include <stdexcept>
#include <string>

#include "rdu.h"

namespace rdu::runtime {

// What every function of the library throws inside, and rdu.cpp turns into a result and rdu_last_error().
class Error : public std::runtime_error {
 public:
  Error(rdu_result result, const std::string& text) : std::runtime_error(text), result_(result) {}
  rdu_result result() const { return result_; }

 private:
  rdu_result result_;
};

}  // namespace rdu::runtime
