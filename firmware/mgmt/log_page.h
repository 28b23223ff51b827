#ifndef RDU_FW_LOG_PAGE_H
#define RDU_FW_LOG_PAGE_H

#include <stdbool.h>
#include <stdint.h>

/* What READ_LOG reads. */

/* Most that one read takes: a multiple of every entry's size, so that entries are not read twice. */
#define LOG_PAGE_CHUNK 3840u

/* The size of a page, as it is now; false when there is no such page. Pieces that are read afterwards
 * fit together, even if the firmware logs meanwhile. */
bool log_page_open(uint64_t page, uint64_t* bytes);
/* Copies out [offset, offset + length), inside the page that was opened last. */
void log_page_read(uint32_t page, uint64_t offset, uint8_t* to, uint32_t length);

#endif
