package engine

// debugProtocol answers with a reply of each kind that there is (redis 7.0.15 debug.c
// debugCommand).
func (c *Session) debugProtocol(kind string) {
	r := replier{c}
	three := func() {
		for n := range int64(3) {
			c.int(n)
		}
	}
	switch kind {
	case "string":
		c.bulkText("Hello World")
	case "integer":
		c.int(12345)
	case "double":
		c.double(3.141)
	case "bignum":
		r.BigNumber("1234567999999999999999999999999999999")
	case "null":
		c.null()
	case "array":
		c.array(3)
		three()
	case "set":
		c.set(3)
		three()
	case "map":
		c.mapOf(3)
		for n := range int64(3) {
			c.int(n)
			r.Boolean(n == 1)
		}
	case "attrib":
		if c.resp == 3 {
			c.out = appendHeader(c.out, '|', 1)
			c.bulkText("key-popularity")
			c.array(2)
			c.bulkText("key:123")
			c.int(90)
		}
		c.bulkText("Some real reply following the attribute")
	case "push":
		if c.resp != 3 {
			c.error("ERR RESP2 is not supported by this command")
			return
		}
		c.pushing(func() {
			c.out = appendHeader(c.out, '>', 2)
			c.bulkText("server-cpu-usage")
			c.int(42)
		})
		c.bulkText("Some real reply following the push reply")
	case "true", "false":
		r.Boolean(kind == "true")
	case "verbatim":
		r.Verbatim("txt", "This is a verbatim\nstring")
	default:
		c.error("ERR Wrong protocol type name. Please use one of the following: string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|true|false")
	}
}
