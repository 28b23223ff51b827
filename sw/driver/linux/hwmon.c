// SPDX-License-Identifier: GPL-2.0
/* Sensors, as hwmon has them: number n of each kind is sensor n - 1 of the device, 1 the whole
 * socket. */

#include <linux/hwmon.h>
#include <linux/slab.h>

#include "rdu.h"
#include "regs/sensors.h"

#define RDU_SENSORS_MAX 64u
#define RDU_SENSORS_AGE (HZ / 10) /* so old may a reading be; ours */

/**
 * struct rdu_hwmon - Readings, and what the hwmon core is told
 * @rdu: the device
 * @dev: of the hwmon class
 * @lock: of @reading
 * @count: sensors of the device
 * @at: jiffies when they were read
 * @reading: RDU_LOG_SENSORS
 * @label: their names
 * @config: which attributes the sensors of each kind have
 * @channel: the kinds
 * @channels: pointers to them, as the core wants it
 * @chip: all of it
 */
struct rdu_hwmon {
	struct rdu_device *rdu;
	struct device *dev;
	struct mutex lock;
	u32 count;
	unsigned long at;
	struct rdu_log_sensor reading[RDU_SENSORS_MAX];
	char label[RDU_SENSORS_MAX][16];
	u32 config[4][RDU_SENSORS_MAX + 1];
	struct hwmon_channel_info channel[4];
	const struct hwmon_channel_info *channels[5];
	struct hwmon_chip_info chip;
};

/* Reads all sensors, if need be. The lock is held. */
static int rdu_hwmon_refresh(struct rdu_hwmon *hwmon)
{
	struct rdu_device *rdu = hwmon->rdu;
	ssize_t got;

	if (hwmon->count && time_before(jiffies, hwmon->at + RDU_SENSORS_AGE))
		return 0;
	if (down_read_interruptible(&rdu->hw))
		return -ERESTARTSYS;
	got = rdu->state == RDU_STATE_UP
		      ? rdu_admin_read_log(rdu, RDU_LOG_SENSORS, 0, hwmon->reading,
					   sizeof(hwmon->reading))
		      : -EIO;
	up_read(&rdu->hw);
	if (got < 0)
		return got;
	hwmon->count = got / sizeof(hwmon->reading[0]);
	hwmon->at = jiffies;
	return 0;
}

static int rdu_hwmon_temperature(const struct rdu_log_sensor *sensor, u32 attr, long *value)
{
	switch (attr) {
	case hwmon_temp_input:
		*value = sensor->temperature;
		return 0;
	case hwmon_temp_min:
		*value = sensor->low;
		return 0;
	case hwmon_temp_max:
		*value = sensor->high;
		return 0;
	case hwmon_temp_crit:
		*value = sensor->critical;
		return 0;
	case hwmon_temp_min_alarm:
		*value = sensor->temperature < sensor->low;
		return 0;
	case hwmon_temp_max_alarm:
		*value = !!(sensor->above & BIT(RDU_THRESHOLD_HIGH));
		return 0;
	case hwmon_temp_crit_alarm:
		*value = !!(sensor->above & BIT(RDU_THRESHOLD_CRITICAL));
		return 0;
	default:
		return -EOPNOTSUPP;
	}
}

static int rdu_hwmon_read(struct device *dev, enum hwmon_sensor_types type, u32 attr, int channel,
			  long *value)
{
	struct rdu_hwmon *hwmon = dev_get_drvdata(dev);
	struct rdu_log_sensor sensor;
	int err;

	mutex_lock(&hwmon->lock);
	err = rdu_hwmon_refresh(hwmon);
	if (!err && channel >= hwmon->count)
		err = -ENODATA;
	if (!err)
		sensor = hwmon->reading[channel];
	mutex_unlock(&hwmon->lock);
	if (err)
		return err;
	switch (type) {
	case hwmon_temp:
		return rdu_hwmon_temperature(&sensor, attr, value);
	case hwmon_in:
		*value = sensor.voltage;
		return 0;
	case hwmon_power:
		*value = sensor.power * 1000L; /* mW to uW */
		return 0;
	case hwmon_energy:
		*value = sensor.energy;
		return 0;
	default:
		return -EOPNOTSUPP;
	}
}

static int rdu_hwmon_write(struct device *dev, enum hwmon_sensor_types type, u32 attr, int channel,
			   long value)
{
	struct rdu_hwmon *hwmon = dev_get_drvdata(dev);
	struct rdu_device *rdu = hwmon->rdu;
	struct rdu_command command = {.sqe.opcode = RDU_ADMIN_SET_THRESHOLD};
	int err;

	command.sqe.arg[0] = channel;
	command.sqe.arg[1] = attr == hwmon_temp_min   ? RDU_THRESHOLD_LOW
			     : attr == hwmon_temp_max ? RDU_THRESHOLD_HIGH
						      : RDU_THRESHOLD_CRITICAL;
	command.sqe.arg[2] = value;
	if (down_read_interruptible(&rdu->hw))
		return -ERESTARTSYS;
	err = rdu->state == RDU_STATE_UP ? rdu_admin_checked(rdu, &command) : -EIO;
	up_read(&rdu->hw);
	mutex_lock(&hwmon->lock);
	hwmon->at = jiffies - RDU_SENSORS_AGE; /* what was read before is void */
	mutex_unlock(&hwmon->lock);
	return err;
}

static int rdu_hwmon_read_string(struct device *dev, enum hwmon_sensor_types type, u32 attr,
				 int channel, const char **text)
{
	struct rdu_hwmon *hwmon = dev_get_drvdata(dev);

	*text = hwmon->label[channel];
	return 0;
}

static umode_t rdu_hwmon_is_visible(const void *data, enum hwmon_sensor_types type, u32 attr,
				    int channel)
{
	bool threshold = type == hwmon_temp && (attr == hwmon_temp_min || attr == hwmon_temp_max ||
						attr == hwmon_temp_crit);

	return threshold ? 0644 : 0444;
}

static const struct hwmon_ops rdu_hwmon_ops = {
	.is_visible = rdu_hwmon_is_visible,
	.read = rdu_hwmon_read,
	.read_string = rdu_hwmon_read_string,
	.write = rdu_hwmon_write,
};

static const char *rdu_hwmon_kind(u8 kind)
{
	switch (kind) {
	case RDU_SENSORS_SENSOR_INFO_KIND_SOCKET:
		return "socket";
	case RDU_SENSORS_SENSOR_INFO_KIND_CORE:
		return "core";
	case RDU_SENSORS_SENSOR_INFO_KIND_HBM:
		return "hbm";
	case RDU_SENSORS_SENSOR_INFO_KIND_DDR:
		return "ddr";
	case RDU_SENSORS_SENSOR_INFO_KIND_TILE:
		return "tile";
	default:
		return "sensor";
	}
}

static const struct {
	enum hwmon_sensor_types type;
	u32 config;
} rdu_hwmon_kinds[] = {
	{hwmon_temp, HWMON_T_INPUT | HWMON_T_LABEL | HWMON_T_MIN | HWMON_T_MAX | HWMON_T_CRIT |
			     HWMON_T_MIN_ALARM | HWMON_T_MAX_ALARM | HWMON_T_CRIT_ALARM},
	{hwmon_in, HWMON_I_INPUT | HWMON_I_LABEL},
	{hwmon_power, HWMON_P_INPUT | HWMON_P_LABEL},
	{hwmon_energy, HWMON_E_INPUT | HWMON_E_LABEL},
};

static void rdu_hwmon_describe(struct rdu_hwmon *hwmon)
{
	const struct rdu_log_sensor *sensor;
	u32 kind, i;

	for (i = 0; i < hwmon->count; i++) {
		sensor = &hwmon->reading[i];
		if (sensor->kind == RDU_SENSORS_SENSOR_INFO_KIND_SOCKET)
			strscpy(hwmon->label[i], "socket", sizeof(hwmon->label[i]));
		else
			snprintf(hwmon->label[i], sizeof(hwmon->label[i]), "%s%u",
				 rdu_hwmon_kind(sensor->kind), sensor->index);
	}
	for (kind = 0; kind < ARRAY_SIZE(rdu_hwmon_kinds); kind++) {
		for (i = 0; i < hwmon->count; i++)
			hwmon->config[kind][i] = rdu_hwmon_kinds[kind].config;
		hwmon->channel[kind].type = rdu_hwmon_kinds[kind].type;
		hwmon->channel[kind].config = hwmon->config[kind];
		hwmon->channels[kind] = &hwmon->channel[kind];
	}
	hwmon->chip.ops = &rdu_hwmon_ops;
	hwmon->chip.info = hwmon->channels;
}

int rdu_hwmon_init(struct rdu_device *rdu)
{
	struct rdu_hwmon *hwmon = kvzalloc(sizeof(*hwmon), GFP_KERNEL);
	int err;

	if (!hwmon)
		return -ENOMEM;
	hwmon->rdu = rdu;
	mutex_init(&hwmon->lock);
	err = rdu_hwmon_refresh(hwmon);
	if (err) {
		dev_err_probe(&rdu->pdev->dev, err, "its sensors cannot be read\n");
		goto free;
	}
	rdu_hwmon_describe(hwmon);
	hwmon->dev =
		hwmon_device_register_with_info(&rdu->pdev->dev, "rdu", hwmon, &hwmon->chip, NULL);
	if (IS_ERR(hwmon->dev)) {
		err = PTR_ERR(hwmon->dev);
		goto free;
	}
	rdu->hwmon = hwmon;
	return 0;
free:
	kvfree(hwmon);
	return err;
}

void rdu_hwmon_free(struct rdu_device *rdu)
{
	hwmon_device_unregister(rdu->hwmon->dev);
	kvfree(rdu->hwmon);
	rdu->hwmon = NULL;
}
