#ifndef RDU_FW_UPDATE_H
#define RDU_FW_UPDATE_H

#include "rdu_abi.h"

/* Firmware update: writes the flash slot that does not run, and chooses what boots next. One command at a
 * time; while the flash works, everything else is served. Commands end by admin_finish. */

/* After a boot, and when the host has left: what was begun for it is dropped. */
void update_init(void);

/* The boot has ended well: the slot that runs is marked good, if it is not yet. */
void update_confirm(void);

void update_write(const struct rdu_sqe* sqe);    /* RDU_ADMIN_FW_WRITE */
void update_activate(const struct rdu_sqe* sqe); /* RDU_ADMIN_FW_ACTIVATE */

/* From FLASH_CTL. */
void update_interrupt(void);

/* RDU_LOG_FIRMWARE */
void update_read(struct rdu_log_firmware* page);

#endif
