#include "fabric/agcu/configuration_chain.h"

#include <algorithm>
#include <cstring>

namespace rdu::fabric {

void ConfigurationChain::start(uint64_t cycle) {
  head_.clear();
  files_.reset();
  file_ = 0;
  shifting_.clear();
  next_ = cycle;
}

uint64_t ConfigurationChain::take(const uint8_t* data, uint32_t bytes, uint64_t ready) {
  uint64_t taken = std::max(next_, ready);
  if (files_) {
    // What is no stream, which is found out when all of it is there, need not have the sub-files that its
    // table says.
    if (file_ < files_->count()) {
      uint64_t& shifting = shifting_[files_->at(file_++).entry];
      taken = std::max(taken, shifting);
      shifting = taken + RDU_CHUNK_WORDS;
    }
  } else {
    head_.insert(head_.end(), data, data + bytes);
    rdu_program_header header;
    std::memcpy(&header, head_.data(), std::min(sizeof header, head_.size()));
    if (head_.size() >= sizeof header && head_.size() >= RDU_PROGRAM_BODY(header.units)) {
      std::vector<rdu_program_unit> table(header.units);
      if (!table.empty())
        std::memcpy(table.data(), head_.data() + sizeof header, table.size() * sizeof table[0]);
      files_.emplace(table);
      shifting_.assign(table.size(), 0);
    }
  }
  next_ = taken + 1;
  return taken;
}

uint64_t ArgumentChain::take(const uint8_t* data, uint32_t bytes, uint64_t ready) {
  uint64_t words = 0;
  for (uint32_t at = 0; at + sizeof(rdu_argument_tuple) <= bytes; at += sizeof(rdu_argument_tuple)) {
    rdu_argument_tuple pair;
    std::memcpy(&pair, data + at, sizeof pair);
    words += pair.count == 2 ? 2 : 1;
  }
  next_ = std::max(next_, ready) + words;
  return next_ - 1;
}

}  // namespace rdu::fabric
