#ifndef RDU_FABRIC_PROGRAM_H
#define RDU_FABRIC_PROGRAM_H

/* The encoding of programs: what the compiler writes, the container carries, firmware and runtime pass on,
 * the kernel sequencer reads and the units execute. Plain C, little-endian; shared by all of them. The words
 * themselves are described a unit in fabric/<unit>/<unit>.regs.yaml; a word's index is its offset there
 * divided by four.
 *
 * A configuration stream is a header, a table of units, and their configurations in sub-files of 64 bytes,
 * what the configuration chain carries in a cycle:
 *
 *     rdu_program_header                             32 bytes
 *     rdu_program_unit table[header.units]           in order of unit id; zero bytes up to a multiple of 64
 *     uint32_t words[RDU_CHUNK_WORDS] ...            sub-files, interleaved round robin over the units
 *
 * A unit's chunk c is its words 16 c .. 16 c + 15; table[].chunks says which ones the stream has (bit c). The
 * first round has the lowest chunk of every unit, in order of the table, the next one the second lowest of
 * those that have one, and so on: a unit shifts a sub-file in while those of the others pass.
 *
 * Loading a stream first resets every unit's configuration, so a stream names only what it uses; words
 * without a meaning are zero. */

#include <stdint.h>

#define RDU_PROGRAM_MAGIC 0x50554452u /* "RDUP" */
#define RDU_PROGRAM_VERSION 2u

/* Unit ids: kind in bits 31:24, row in 23:12, column in 11:0. AGCUs have column 0 (west) or 1 (east). Row 0
 * is the north. */
#define RDU_UNIT_PCU 1u
#define RDU_UNIT_PMU 2u
#define RDU_UNIT_SWITCH 3u
#define RDU_UNIT_AGCU 4u
#define RDU_UNIT(kind, row, col) (((uint32_t)(kind) << 24) | ((uint32_t)(row) << 12) | (uint32_t)(col))
#define RDU_UNIT_KIND(id) ((uint32_t)(id) >> 24)
#define RDU_UNIT_ROW(id) (((uint32_t)(id) >> 12) & 0xfffu)
#define RDU_UNIT_COL(id) ((uint32_t)(id)&0xfffu)

#define RDU_FLOWS 8u         /* flow ids of a switch port */
#define RDU_FLOW_DYNAMIC 7u  /* that of packets which are routed by their destination */
#define RDU_SCALAR_FLOWS 4u  /* likewise of the scalar network */
#define RDU_VECTOR_BYTES 64u /* a packet of the vector network */
#define RDU_LANES_MAX 32u

/* Ports of a switch (fabric/switch/README.md): side * 4 + channel (sides: north, east, south, west), then
 * those of the units at it. */
#define RDU_PORT_CHANNELS 4u
#define RDU_PORT_MESH 16u      /* below: channels of the sides; the same for control wires */
#define RDU_PORT_FROM_PCU 16u  /* inputs: 16, 17 */
#define RDU_PORT_FROM_PMU 18u  /* 18, 19 */
#define RDU_PORT_FROM_AGCU 20u /* 20 */
#define RDU_PORT_INPUTS 21u
#define RDU_PORT_TO_PCU 16u  /* outputs: 16..19 */
#define RDU_PORT_TO_PMU 20u  /* 20..23 */
#define RDU_PORT_TO_AGCU 24u /* 24, 25 */
#define RDU_PORT_OUTPUTS 26u
#define RDU_SCALAR_CHANNELS 2u /* the scalar network */
#define RDU_SCALAR_MESH 8u
#define RDU_SCALAR_FROM_PCU 8u
#define RDU_SCALAR_FROM_PMU 9u
#define RDU_SCALAR_FROM_AGCU 10u
#define RDU_SCALAR_INPUTS 11u
#define RDU_SCALAR_TO_PCU 8u   /* 8, 9 */
#define RDU_SCALAR_TO_PMU 10u  /* 10, 11 */
#define RDU_SCALAR_TO_AGCU 12u /* 12, 13 */
#define RDU_SCALAR_OUTPUTS 14u
#define RDU_WIRE_FROM_PCU 16u  /* control wires, inputs: 16, 17 */
#define RDU_WIRE_FROM_PMU 18u  /* 18, 19 */
#define RDU_WIRE_FROM_AGCU 20u /* 20: load, 21: store */
#define RDU_WIRE_INPUTS 22u
#define RDU_WIRE_TO_PCU 16u  /* outputs: 16, 17 */
#define RDU_WIRE_TO_PMU 18u  /* 18, 19 */
#define RDU_WIRE_TO_AGCU 20u /* 20..27 */
#define RDU_WIRE_OUTPUTS 28u

#define RDU_CHUNK_WORDS 16u /* 32-bit words of a sub-file */
#define RDU_CHUNK_BYTES (4u * RDU_CHUNK_WORDS)
#define RDU_CHUNKS_MAX 32u /* that a unit can have */

struct rdu_program_header {
  uint32_t magic;
  uint16_t version;
  uint16_t channels; /* vector channels per direction that the routes were made for */
  uint16_t rows;     /* shape of the tile that it was placed on; it must be the tile's */
  uint16_t cols;
  uint32_t size;        /* bytes of the whole stream, header included */
  uint32_t crc;         /* CRC-32 (IEEE 802.3, as zlib's crc32) of everything behind the header */
  uint32_t units;       /* entries of the table */
  uint32_t reserved[2]; /* zero */
};

struct rdu_program_unit {
  uint32_t unit;
  uint32_t chunks; /* at least one */
};

/* One argument: a pair of a control word and a value, written over configuration words of a loaded program.
 */
struct rdu_argument_tuple {
  /* The control word, 64 bits: */
  uint32_t unit;
  uint16_t word;
  uint16_t count; /* words that the value fills: 1 or 2 */
  uint64_t value;
};

/* Bytes of a stream before its first sub-file. */
#define RDU_PROGRAM_BODY(units)                                                               \
  ((sizeof(struct rdu_program_header) + (uint64_t)(units) * sizeof(struct rdu_program_unit) + \
    RDU_CHUNK_BYTES - 1) /                                                                    \
   RDU_CHUNK_BYTES * RDU_CHUNK_BYTES)

#endif
