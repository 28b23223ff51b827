// The reader of recordings. The first byte chooses: the bytes as they are, or as the records of a chunk whose
// head, packing and checksum are right, so that the decoder of records is reached.
#include <zlib.h>
#include <zstd.h>

#include "input.h"
#include "pcie/record/recording.h"

using namespace rdu::pcie::record;

namespace {

void put32(std::vector<uint8_t>& out, uint64_t value) {
  for (int i = 0; i < 4; ++i) out.push_back(static_cast<uint8_t>(value >> (8 * i)));
}

uint64_t checksum(const std::vector<uint8_t>& bytes) {
  return crc32(0, bytes.data(), static_cast<uInt>(bytes.size()));
}

std::vector<uint8_t> file_of(const std::vector<uint8_t>& records) {
  const char magic[] = "RDU-VPR\n";
  std::vector<uint8_t> file(magic, magic + 8);
  put32(file, 1);
  put32(file, 2);
  file.push_back('{');
  file.push_back('}');
  put32(file, checksum(file));
  std::vector<uint8_t> packed(ZSTD_compressBound(records.size()));
  packed.resize(ZSTD_compress(packed.data(), packed.size(), records.data(), records.size(), 1));
  put32(file, 0x4b4e4843);
  put32(file, packed.size());
  put32(file, records.size());
  put32(file, checksum(packed));
  file.insert(file.end(), packed.begin(), packed.end());
  return file;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  rdu::fuzz::Input input(data, size);
  const bool is_wrapped = input.byte() & 1;
  const std::vector<uint8_t> bytes = input.rest();
  try {
    RecordingReader reader("fuzz", is_wrapped ? file_of(bytes) : bytes);
    uint64_t time = 0;
    while (const auto record = reader.read()) {
      FUZZ_CHECK(record->time >= time, "time goes back");
      time = record->time;
    }
  } catch (const RecordingError&) {
  }
  return 0;
}
