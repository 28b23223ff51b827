// Copies a recording, with one byte changed: of the data of the COUNT-th record of that kind (from 1).
//
//   alter_recording FROM TO answer|dma_read|dma_write COUNT BYTE
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>

#include "pcie/record/recording.h"

using namespace rdu::pcie::record;

int main(int argc, char** argv) {
  if (argc != 6) {
    std::fprintf(stderr, "usage: alter_recording FROM TO answer|dma_read|dma_write COUNT BYTE\n");
    return 2;
  }
  const Record::Kind kind = !std::strcmp(argv[3], "answer")     ? Record::Kind::answer
                            : !std::strcmp(argv[3], "dma_read") ? Record::Kind::dma_read
                                                                : Record::Kind::dma_write;
  unsigned long count = std::strtoul(argv[4], nullptr, 10);
  const unsigned long byte = std::strtoul(argv[5], nullptr, 10);
  try {
    RecordingReader from(argv[1]);
    RecordingWriter to(argv[2], from.header());
    while (auto record = from.read()) {
      if (record->kind == kind && !record->data.empty() && count > 0 && --count == 0)
        record->data.at(byte) ^= 1;
      to.write(*record);
    }
    to.flush();
    if (!from.damage().empty() || count > 0) {
      std::fprintf(stderr, "alter_recording: %s\n",
                   count > 0 ? "there are not so many" : from.damage().c_str());
      return 1;
    }
  } catch (const std::exception& e) {
    std::fprintf(stderr, "alter_recording: %s\n", e.what());
    return 1;
  }
  return 0;
}
